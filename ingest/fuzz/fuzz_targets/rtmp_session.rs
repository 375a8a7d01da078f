//! A whole RTMP session: handshake, chunks, commands and media from any bytes in any cut.
//!
//! The first byte chooses how far a well-behaved publisher has come before the input begins, the
//! second how the input is cut.
#![no_main]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ingest::rtmp::amf0::{self, Value};
use ingest::rtmp::chunk::{RawMessage, Writer};
use ingest::rtmp::limits::{OUTPUT_BYTES_MAX, READ_BUFFER_BYTES, REASSEMBLY_BYTES_MAX};
use ingest::rtmp::{Event, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [start, cut, input @ ..] = input else {
        return;
    };
    let mut publisher = Publisher {
        session: Session::new(Duration::ZERO, 0),
        requests: 0,
        ends: 0,
    };
    let stages = [
        vec![3; 1],
        vec![0; 2 * 1536],
        command(
            0,
            "connect",
            Value::object([("app", Value::string("live"))]),
        ),
        command(0, "createStream", Value::Null),
        command(1, "publish", Value::string("KEY")),
        tag(9, &[0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0]),
    ];
    let stages_done = usize::from(*start) % (stages.len() + 1);
    for stage in &stages[..stages_done] {
        assert!(publisher.feed(stage), "a well-behaved publisher is heard");
    }
    let cut = usize::from(*cut).max(1);
    for piece in input.chunks(cut.min(READ_BUFFER_BYTES)) {
        if !publisher.feed(piece) {
            break;
        }
    }
    publisher.session.end_of_input();
    publisher.drain();
    assert_eq!(publisher.requests, publisher.ends);
});

struct Publisher {
    session: Session,
    requests: usize,
    ends: usize,
}

impl Publisher {
    fn feed(&mut self, bytes: &[u8]) -> bool {
        let heard = self.session.receive(bytes, Duration::ZERO).is_ok() && self.drain();
        assert!(self.session.reassembly_bytes() <= REASSEMBLY_BYTES_MAX);
        heard
    }

    fn drain(&mut self) -> bool {
        let mut heard = true;
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::PublishRequest(_) => {
                    self.requests += 1;
                    heard &= self.session.accept_publish(Duration::ZERO).is_ok();
                }
                Event::Unpublish { .. } => self.ends += 1,
                Event::Media(_) => {}
            }
        }
        let mut output_bytes = 0;
        while let Some(output) = self.session.poll_output() {
            output_bytes += output.len();
        }
        assert!(output_bytes <= OUTPUT_BYTES_MAX + READ_BUFFER_BYTES);
        heard
    }
}

/// `argument` stands where `connect` has its object and, once more, where the others have theirs.
fn command(message_stream: u32, name: &str, argument: Value) -> Vec<u8> {
    let mut payload = BytesMut::new();
    for value in [
        Value::string(name),
        Value::Number(1.0),
        argument.clone(),
        argument,
    ] {
        amf0::encode(&value, &mut payload);
    }
    chunked(20, message_stream, payload.freeze())
}

fn tag(type_id: u8, payload: &[u8]) -> Vec<u8> {
    chunked(type_id, 1, Bytes::copy_from_slice(payload))
}

fn chunked(type_id: u8, message_stream: u32, payload: Bytes) -> Vec<u8> {
    let message = RawMessage {
        type_id,
        message_stream,
        timestamp_ms: 0,
        payload,
    };
    let mut bytes = BytesMut::new();
    Writer::default().write(3, &message, &mut bytes);
    bytes.to_vec()
}
