use super::*;

fn video(len: usize, timestamp_ms: u32) -> RawMessage {
    RawMessage {
        type_id: 9,
        message_stream: 1,
        timestamp_ms,
        payload: (0..len).map(|index| index as u8).collect(),
    }
}

/// All messages in `bytes`, fed in pieces of `cut`.
fn read_in(reader: &mut Reader, bytes: &[u8], cut: usize) -> Result<Vec<RawMessage>, Error> {
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(cut) {
        while let Some(message) = reader.read(&mut piece)? {
            messages.push(message);
        }
        assert!(piece.is_empty());
    }
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<RawMessage>, Error> {
    read_in(&mut Reader::default(), bytes, bytes.len().max(1))
}

/// A type 0 header on chunk stream `id`.
fn opening(id: u8, len: u32, type_id: u8) -> Vec<u8> {
    let [_, a, b, c] = len.to_be_bytes();
    vec![id, 0, 0, 0, a, b, c, type_id, 1, 0, 0, 0]
}

fn max_of(error: Error) -> u64 {
    match error {
        Error::Limit { max, .. } => max,
        other => panic!("{other}"),
    }
}

#[test]
fn what_the_writer_cuts_the_reader_joins_in_any_cut() {
    for chunk_bytes in [1, 128, 4096] {
        let mut writer = Writer::default();
        writer.set_chunk_bytes(chunk_bytes);
        let messages = [
            video(1000, 40),
            video(0, 0x00ff_fffe),
            video(300, 0x00ff_ffff),
            video(129, u32::MAX),
        ];
        let mut bytes = BytesMut::new();
        for message in &messages {
            writer.write(4, message, &mut bytes);
        }
        for cut in [1, 2, 3, 5, 17, 128, bytes.len()] {
            let mut reader = Reader::default();
            reader.set_chunk_bytes(chunk_bytes).expect("in bounds");
            assert_eq!(read_in(&mut reader, &bytes, cut), Ok(messages.to_vec()));
            assert_eq!(reader.reassembly_bytes(), 0);
            assert_eq!(reader.offset, bytes.len() as u64);
        }
    }
}

#[test]
fn the_chunks_of_the_specification_s_first_example() {
    // RTMP 1.0 §5.3.2.1: audio of 32 bytes at 1000, 1020, 1040 and 1060 ms in header types 0, 2, 3
    // and 3.
    let body = [7_u8; 32];
    let bytes = [
        &[3, 0, 3, 0xe8, 0, 0, 32, 8, 0x39, 0x30, 0, 0][..],
        &body,
        &[0x83, 0, 0, 20],
        &body,
        &[0xc3],
        &body,
        &[0xc3],
        &body,
    ]
    .concat();
    let messages = read(&bytes).expect("valid");
    let times: Vec<u32> = messages.iter().map(|m| m.timestamp_ms).collect();
    assert_eq!(times, [1000, 1020, 1040, 1060]);
    assert!(
        messages
            .iter()
            .all(|m| m.message_stream == 12345 && m.payload[..] == body)
    );
}

#[test]
fn audio_between_the_chunks_of_a_picture_is_no_fault() {
    let picture: Vec<u8> = (0..300).map(|index| index as u8).collect();
    let bytes = [
        &opening(6, 300, 9)[..],
        &picture[..128],
        &opening(4, 5, 8),
        b"audio",
        &[0xc6],
        &picture[128..256],
        &[0x44, 0, 0, 23, 0, 0, 5, 8],
        b"sound",
        &[0xc6],
        &picture[256..],
    ]
    .concat();
    for cut in [1, 13, bytes.len()] {
        let messages = read_in(&mut Reader::default(), &bytes, cut).expect("valid");
        let payloads: Vec<&[u8]> = messages.iter().map(|m| &m.payload[..]).collect();
        assert_eq!(payloads, [b"audio", b"sound", &picture[..]]);
        assert_eq!(messages[1].timestamp_ms, 23);
    }
}

#[test]
fn chunk_stream_ids_of_one_two_and_three_bytes() {
    let header = [0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0];
    let bytes = [
        &[0x3f][..],
        &header,
        b"a",
        &[0x00, 0],
        &header,
        b"b",
        &[0x01, 0, 1],
        &header,
        b"c",
        // Chunk stream 320 again, by a type 3 header.
        &[0xc1, 0, 1],
        b"d",
    ]
    .concat();
    for cut in [1, bytes.len()] {
        let mut reader = Reader::default();
        let messages = read_in(&mut reader, &bytes, cut).expect("valid");
        assert_eq!(messages.len(), 4);
        let ids: Vec<u32> = reader.streams.iter().map(|s| s.id).collect();
        assert_eq!(ids, [63, 64, 320]);
    }
}

/// A message with an extended timestamp in two chunks, the second one's header as `repeat` says.
fn extended(repeat: bool, payload: &[u8]) -> Vec<u8> {
    let [a, b] = (payload.len() as u16).to_be_bytes();
    let mut bytes = vec![4, 255, 255, 255, 0, a, b, 9, 1, 0, 0, 0, 1, 2, 3, 4];
    for (index, piece) in payload.chunks(128).enumerate() {
        if index > 0 {
            bytes.push(0xc4);
            if repeat {
                bytes.extend([1, 2, 3, 4]);
            }
        }
        bytes.extend(piece);
    }
    bytes
}

#[test]
fn extended_timestamps_are_taken_from_type_3_headers_only_where_they_stand_there() {
    // The second chunk begins with more and more of what an extended timestamp would be.
    for start in [&[][..], &[9], &[1, 9], &[1, 2, 9], &[1, 2, 3, 9], &[1]] {
        let payload = [&[0; 128][..], start].concat();
        for repeat in [true, false] {
            let next = opening(5, 1, 8);
            let bytes = [&extended(repeat, &payload)[..], &next, b"x"].concat();
            for cut in 1..=bytes.len() {
                let messages = read_in(&mut Reader::default(), &bytes, cut).expect("valid");
                assert_eq!(messages.len(), 2, "{start:?} {repeat} cut {cut}");
                assert_eq!(messages[0].timestamp_ms, 0x0102_0304);
                assert_eq!(messages[0].payload[..], payload);
                assert_eq!(&messages[1].payload[..], b"x");
            }
        }
    }
}

#[test]
fn times_wrap_and_differences_add_up_over_the_wrap() {
    let bytes = [
        &[4, 255, 255, 255, 0, 0, 1, 9, 1, 0, 0, 0, 255, 255, 255, 250][..],
        b"a",
        &[0x84, 0, 0, 10],
        b"b",
    ]
    .concat();
    let times: Vec<u32> = read(&bytes)
        .expect("valid")
        .iter()
        .map(|m| m.timestamp_ms)
        .collect();
    assert_eq!(times, [u32::MAX - 5, 4]);
}

#[test]
fn an_aborted_message_leaves_room_for_the_next() {
    let mut reader = Reader::default();
    let begun = [&opening(4, 200, 9)[..], &[1; 128]].concat();
    assert_eq!(read_in(&mut reader, &begun, 200), Ok(vec![]));
    assert_eq!(reader.reassembly_bytes(), 200);
    reader.abort(4);
    reader.abort(4);
    reader.abort(99);
    assert_eq!((reader.reassembly_bytes(), reader.half_messages), (0, 0));
    let next = [&opening(4, 1, 9)[..], b"x"].concat();
    assert_eq!(read_in(&mut reader, &next, 20).expect("valid").len(), 1);
}

#[test]
fn a_header_in_the_middle_of_its_own_message_is_an_error() {
    let bytes = [&opening(4, 200, 9)[..], &[1; 128], &opening(4, 200, 9)].concat();
    assert!(matches!(read(&bytes), Err(Error::Malformed { .. })));
}

#[test]
fn a_chunk_stream_opens_with_a_full_header() {
    for first in [0x44, 0x84, 0xc4] {
        let error = read(&[first, 0, 0, 0, 0, 0, 0, 0]).expect_err("no type 0");
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
    // librtmp's ping on the control stream.
    let ping = [0x42, 0, 0, 0, 0, 0, 1, 4, 9];
    assert_eq!(read(&ping).expect("borne").len(), 1);
}

#[test]
fn chunk_size_is_from_one_byte_to_a_mebibyte() {
    let mut reader = Reader::default();
    for bytes in [1, CHUNK_BYTES_MAX] {
        assert_eq!(reader.set_chunk_bytes(bytes), Ok(()));
    }
    for bytes in [0, CHUNK_BYTES_MAX + 1, u32::MAX] {
        assert!(reader.set_chunk_bytes(bytes).is_err());
    }
}

#[test]
fn a_message_s_length_is_bounded_before_and_after_publish() {
    for bounds in [Bounds::STRANGER, Bounds::PUBLISHER] {
        let max = bounds.message_bytes;
        let mut reader = Reader::default();
        reader.set_bounds(bounds);
        assert_eq!(read_in(&mut reader, &opening(4, max, 9), 99), Ok(vec![]));
        let mut reader = Reader::default();
        reader.set_bounds(bounds);
        let error = read_in(&mut reader, &opening(4, max + 1, 9), 99).expect_err("too long");
        assert_eq!(max_of(error), u64::from(max));
        assert_eq!(reader.reassembly_bytes(), 0);
    }
}

#[test]
fn half_received_messages_are_bounded() {
    let half = |id: u8| [&opening(id, 200, 9)[..], &[0; 128]].concat();
    let mut reader = Reader::default();
    for id in 0..HALF_MESSAGES_MAX as u8 {
        assert_eq!(read_in(&mut reader, &half(3 + id), 999), Ok(vec![]));
    }
    let error = read_in(&mut reader, &half(40), 999).expect_err("one more");
    assert_eq!(max_of(error), HALF_MESSAGES_MAX as u64);
}

#[test]
fn chunk_streams_are_bounded() {
    let mut bytes = Vec::new();
    for id in 0..CHUNK_STREAMS_MAX as u8 {
        bytes.extend([0, id, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0xaa]);
    }
    let mut reader = Reader::default();
    let messages = read_in(&mut reader, &bytes, 4096).expect("in bounds");
    assert_eq!(messages.len(), CHUNK_STREAMS_MAX);
    let error = read_in(&mut reader, &opening(3, 1, 9), 99).expect_err("one more");
    assert_eq!(max_of(error), CHUNK_STREAMS_MAX as u64);
}

#[test]
fn memory_follows_the_bytes_that_came_and_not_the_length_declared() {
    let mut reader = Reader::default();
    reader.set_bounds(Bounds::PUBLISHER);
    for id in 3..3 + HALF_MESSAGES_MAX as u8 {
        let bytes = [&opening(id, MESSAGE_BYTES_MAX, 9)[..], &[0; 128]].concat();
        assert_eq!(read_in(&mut reader, &bytes, 99), Ok(vec![]));
    }
    assert_eq!(
        reader.reassembly_bytes(),
        HALF_MESSAGES_MAX * BUFFER_STEP_BYTES
    );
}

#[test]
fn reassembly_is_bounded() {
    let mut reader = Reader::default();
    reader.set_bounds(Bounds::PUBLISHER);
    reader.set_chunk_bytes(CHUNK_BYTES_MAX).expect("in bounds");
    let body = vec![0; CHUNK_BYTES_MAX as usize];
    let mut peak = 0;
    let error = (3_u8..)
        .find_map(|id| {
            let mut bytes = opening(id, MESSAGE_BYTES_MAX, 9);
            for _ in 0..6 {
                bytes.extend(&body);
                bytes.push(0xc0 | id);
            }
            bytes.pop();
            let result = read_in(&mut reader, &bytes, 64 << 10);
            peak = peak.max(reader.reassembly_bytes());
            result.err()
        })
        .expect("a bound");
    assert_eq!(max_of(error), REASSEMBLY_BYTES_MAX as u64);
    let buffers: usize = reader
        .streams
        .iter()
        .filter_map(|stream| stream.partial.as_ref())
        .map(|(bytes, _)| bytes.capacity())
        .sum();
    assert!(buffers <= REASSEMBLY_BYTES_MAX, "{buffers}");
}

#[test]
fn reassembly_is_bounded_more_tightly_before_publish() {
    let mut reader = Reader::default();
    let error = (3_u8..6)
        .find_map(|id| {
            let mut bytes = opening(id, MESSAGE_BYTES_BEFORE_PUBLISH_MAX, 9);
            for _ in 0..500 {
                bytes.extend([0; 128]);
                bytes.push(0xc0 | id);
            }
            bytes.pop();
            read_in(&mut reader, &bytes, 4096).err()
        })
        .expect("a bound");
    assert_eq!(max_of(error), REASSEMBLY_BYTES_BEFORE_PUBLISH_MAX as u64);
}
