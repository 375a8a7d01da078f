//! An RTMP peer by hand, which says what no encoder would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The server hangs up on rubbish; what it does not hang up on is over by then.
pub(crate) const HANG_UP_MAX: Duration = Duration::from_secs(15);

/// An AMF0 number: 1.0, the transaction of a first command.
pub(crate) const ONE: [u8; 9] = [0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
pub(crate) const NULL: [u8; 1] = [5];

/// A connection behind its handshake.
pub(crate) fn dial(rtmp: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(rtmp).expect("a connection");
    stream
        .set_read_timeout(Some(HANG_UP_MAX))
        .expect("an option");
    stream
        .write_all(&[&[3][..], &[0; 1536]].concat())
        .expect("C0 and C1");
    let mut answer = [0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).expect("S0, S1 and S2");
    stream.write_all(&answer[1..=1536]).expect("C2");
    stream
}

/// A message on chunk stream 3 in chunks of 128 bytes.
pub(crate) fn command(stream_id: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![3, 0, 0, 0, high, middle, low, 0x14, stream_id, 0, 0, 0];
    for (index, piece) in payload.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc3);
        }
        bytes.extend(piece);
    }
    bytes
}

/// An AMF0 string.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short").to_be_bytes();
    [&[2][..], &length, text.as_bytes()].concat()
}

/// The commands up to and with `publish`.
pub(crate) fn publish(key: &str) -> Vec<u8> {
    let app = [&[0, 3][..], b"app", &text("live"), &[0, 0, 9]].concat();
    let connect = [&text("connect")[..], &ONE, &[3], &app].concat();
    let create = [&text("createStream")[..], &ONE, &NULL].concat();
    let publish = [&text("publish")[..], &ONE, &NULL, &text(key), &text("live")].concat();
    [
        command(0, &connect),
        command(0, &create),
        command(1, &publish),
    ]
    .concat()
}

/// All that is said until the peer is dropped.
pub(crate) fn until_hung_up(mut stream: TcpStream) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => said.extend(&buffer[..count]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
                break;
            }
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}
