mod recorded;

use super::super::amf0;
use super::*;

const AVC_CONFIG: [u8; 13] = [0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0];
const AAC_CONFIG: [u8; 4] = [0xaf, 0, 0x12, 0x10];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn handshake() -> Vec<u8> {
    [&[3][..], &[0; 1536], &[0; 1536]].concat()
}

fn chunked(chunk_stream: u8, message: RawMessage) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    Writer::default().write(chunk_stream, &message, &mut bytes);
    bytes.to_vec()
}

fn command_on(message_stream: u32, values: &[Value]) -> Vec<u8> {
    let mut payload = BytesMut::new();
    for value in values {
        amf0::encode(value, &mut payload);
    }
    chunked(
        3,
        RawMessage {
            type_id: type_id::COMMAND_AMF0,
            message_stream,
            timestamp_ms: 0,
            payload: payload.freeze(),
        },
    )
}

fn named(name: &str, argument: Value) -> Vec<u8> {
    command_on(
        0,
        &[
            Value::string(name),
            Value::Number(2.0),
            Value::Null,
            argument,
        ],
    )
}

fn connect() -> Vec<u8> {
    command_on(
        0,
        &[
            Value::string("connect"),
            Value::Number(1.0),
            Value::object([("app", Value::string("live"))]),
        ],
    )
}

fn publish(key: &str) -> Vec<u8> {
    command_on(
        1,
        &[
            Value::string("publish"),
            Value::Number(0.0),
            Value::Null,
            Value::string(key),
            Value::string("live"),
        ],
    )
}

fn tag(type_id: u8, timestamp_ms: u32, payload: &[u8]) -> Vec<u8> {
    chunked(
        6,
        RawMessage {
            type_id,
            message_stream: 1,
            timestamp_ms,
            payload: Bytes::copy_from_slice(payload),
        },
    )
}

fn until_publish() -> Vec<u8> {
    [
        handshake(),
        connect(),
        named("releaseStream", Value::string("KEY")),
        named("FCPublish", Value::string("KEY")),
        named("createStream", Value::Null),
        publish("KEY"),
    ]
    .concat()
}

/// A session that publishes, its events and replies so far taken.
fn publishing() -> Session {
    let mut session = Session::new(Duration::ZERO, 1);
    session
        .receive(&until_publish(), Duration::ZERO)
        .expect("valid");
    assert!(matches!(
        session.poll_event(),
        Some(Event::PublishRequest(_))
    ));
    session
        .accept_publish(Duration::ZERO)
        .expect("nothing held");
    while session.poll_output().is_some() {}
    session
}

fn connected() -> Session {
    let mut session = Session::new(Duration::ZERO, 1);
    let bytes = [handshake(), connect()].concat();
    session.receive(&bytes, Duration::ZERO).expect("valid");
    while session.poll_output().is_some() {}
    session
}

/// Names of the commands sent by the session, and the codes in them; control messages by type.
fn replies(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::default();
    // What comes before its announcement is shorter than either size.
    reader
        .set_chunk_bytes(OUTPUT_CHUNK_BYTES)
        .expect("own size");
    let mut input = bytes;
    let mut replies = Vec::new();
    while let Some(message) = reader.read(&mut input).expect("own chunks") {
        if message.type_id != type_id::COMMAND_AMF0 {
            replies.push(format!("type {}", message.type_id));
            continue;
        }
        let values = amf0::decode(&message.payload).expect("own encoding");
        let name = values[0].as_str().expect("a name");
        let text = |property| values[3].property(property).and_then(Value::as_str);
        replies.push(match text("code") {
            Some(code) => format!("{name} {code} {}", text("description").unwrap_or_default())
                .trim_end()
                .to_owned(),
            None => name.to_owned(),
        });
    }
    replies
}

fn output(session: &mut Session) -> Vec<u8> {
    std::iter::from_fn(|| session.poll_output())
        .flatten()
        .collect()
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

#[test]
fn a_publisher_s_whole_life_in_any_cut() {
    for cut in [1, 100, 1 << 20] {
        let mut session = Session::new(Duration::ZERO, 1);
        for piece in until_publish().chunks(cut) {
            session.receive(piece, seconds(1)).expect("valid");
        }
        let Some(Event::PublishRequest(name)) = session.poll_event() else {
            panic!("no request");
        };
        assert_eq!((name.key.reveal(), name.app.as_str()), ("KEY", "live"));
        let sent = output(&mut session);
        assert_eq!(
            replies(&sent[1 + 2 * 1536..]),
            [
                "type 5",
                "type 6",
                "type 1",
                "_result NetConnection.Connect.Success Connection succeeded.",
                "_result",
                "_result",
                "onFCPublish NetStream.Publish.Start",
                "_result",
            ]
        );

        session.accept_publish(seconds(1)).expect("nothing held");
        assert_eq!(
            replies(&output(&mut session)),
            ["type 4", "onStatus NetStream.Publish.Start publishing"]
        );

        let media = [
            tag(18, 0, b"\x02\x00\x0d@setDataFrame\x02\x00\x0aonMetaData"),
            tag(9, 0, &AVC_CONFIG),
            tag(8, 0, &AAC_CONFIG),
            tag(9, 40, &[0x17, 1, 0, 0, 80, 1, 2, 3]),
            tag(8, 43, &[0xaf, 1, 9, 9]),
        ]
        .concat();
        for piece in media.chunks(cut) {
            session.receive(piece, seconds(2)).expect("valid");
        }
        let events_seen = events(&mut session);
        let [
            Event::Media(Media::VideoConfig(_)),
            Event::Media(Media::AudioConfig(_)),
            Event::Media(Media::Video(picture)),
            Event::Media(Media::Audio(sound)),
        ] = &events_seen[..]
        else {
            panic!("{events_seen:?}");
        };
        assert_eq!(picture.dts.as_nanos(), 40_000_000);
        assert_eq!(picture.pts.as_nanos(), 120_000_000);
        assert!(picture.random_access);
        assert_eq!(&picture.data[..], [1, 2, 3]);
        assert_eq!(
            (sound.pts.as_nanos(), &sound.data[..]),
            (43_000_000, &[9, 9][..])
        );

        let goodbye = [
            named("FCUnpublish", Value::string("KEY")),
            named("deleteStream", Value::Number(1.0)),
        ]
        .concat();
        session.receive(&goodbye, seconds(3)).expect("valid");
        session.end_of_input();
        let ends = events(&mut session);
        assert!(
            matches!(ends[..], [Event::Unpublish { clean: true }]),
            "{ends:?}"
        );
        assert!(session.is_closed());
    }
}

#[test]
fn each_way_of_stopping_unpublishes_once() {
    let close_stream = command_on(
        1,
        &[
            Value::string("closeStream"),
            Value::Number(0.0),
            Value::Null,
        ],
    );
    for (goodbye, clean) in [
        (named("FCUnpublish", Value::string("KEY")), true),
        (named("deleteStream", Value::Number(1.0)), true),
        (close_stream, true),
        (Vec::new(), false),
        // As GStreamer 1.22's rtmp2sink says it.
        (named("deleteStream", Value::string("KEY")), true),
        // Of a stream that is not published.
        (named("deleteStream", Value::Number(3.0)), false),
    ] {
        let mut session = publishing();
        session.receive(&goodbye, seconds(1)).expect("valid");
        session.end_of_input();
        session.end_of_input();
        session.end(&Closed::Ended);
        let ends = events(&mut session);
        assert!(
            matches!(ends[..], [Event::Unpublish { clean: found }] if found == clean),
            "{ends:?}"
        );
    }
}

#[test]
fn a_connection_may_publish_again() {
    let mut session = publishing();
    let again = [
        named("deleteStream", Value::Number(1.0)),
        named("createStream", Value::Null),
        publish("KEY"),
    ]
    .concat();
    session.receive(&again, seconds(5)).expect("valid");
    let seen = events(&mut session);
    assert!(
        matches!(
            seen[..],
            [Event::Unpublish { clean: true }, Event::PublishRequest(_)]
        ),
        "{seen:?}"
    );
}

#[test]
fn media_sent_behind_publish_waits_for_the_answer() {
    let mut session = Session::new(Duration::ZERO, 1);
    let bytes = [until_publish(), tag(9, 0, &AVC_CONFIG)].concat();
    session.receive(&bytes, Duration::ZERO).expect("valid");
    session
        .receive(&tag(8, 0, &AAC_CONFIG), Duration::ZERO)
        .expect("held");
    assert!(matches!(
        events(&mut session)[..],
        [Event::PublishRequest(_)]
    ));
    session.accept_publish(Duration::ZERO).expect("valid");
    let seen = events(&mut session);
    assert!(
        matches!(
            seen[..],
            [
                Event::Media(Media::VideoConfig(_)),
                Event::Media(Media::AudioConfig(_))
            ]
        ),
        "{seen:?}"
    );
}

#[test]
fn bytes_held_for_the_answer_are_bounded() {
    let mut session = Session::new(Duration::ZERO, 1);
    session
        .receive(&until_publish(), Duration::ZERO)
        .expect("valid");
    let read = vec![0; HELD_BYTES_MAX];
    assert_eq!(session.receive(&read, Duration::ZERO), Ok(()));
    let error = session.receive(&[0], Duration::ZERO).expect_err("one more");
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[test]
fn a_refused_publisher_is_told_why() {
    for (refusal, reply) in [
        (
            Refusal::UnknownKey,
            "onStatus NetStream.Publish.BadName the stream key is wrong",
        ),
        (
            Refusal::AlreadyLive,
            "onStatus NetStream.Publish.BadName the stream is already being published",
        ),
        (
            Refusal::Full,
            "onStatus NetStream.Publish.Rejected the server carries no further broadcast",
        ),
        (
            Refusal::Overloaded,
            "onStatus NetStream.Publish.Rejected this server cannot encode another broadcast in real \
             time now",
        ),
    ] {
        let mut session = Session::new(Duration::ZERO, 1);
        session
            .receive(&until_publish(), Duration::ZERO)
            .expect("valid");
        output(&mut session);
        events(&mut session);
        session.refuse_publish(refusal);
        assert_eq!(replies(&output(&mut session)), [reply]);
        assert!(session.is_closed() && events(&mut session).is_empty());
    }
}

#[test]
fn a_publisher_without_a_key_is_told_so() {
    let mut session = Session::new(Duration::ZERO, 1);
    let no_app = command_on(
        0,
        &[
            Value::string("connect"),
            Value::Number(1.0),
            Value::object([]),
        ],
    );
    let bytes = [
        handshake(),
        no_app,
        named("createStream", Value::Null),
        publish("?token=x"),
    ]
    .concat();
    assert_eq!(session.receive(&bytes, Duration::ZERO), Err(Error::NoKey));
    let sent = replies(&output(&mut session)[1 + 2 * 1536..]);
    assert_eq!(
        sent.last().map(String::as_str),
        Some("onStatus NetStream.Publish.BadName the stream key is wrong")
    );
}

#[test]
fn a_sink_s_refusal_reaches_the_publisher() {
    let mut session = publishing();
    session.end(&Closed::TakenOver);
    assert_eq!(
        replies(&output(&mut session)),
        [
            "onStatus NetStream.Publish.Rejected another connection with the same key took the stream over"
        ]
    );
    assert!(matches!(
        events(&mut session)[..],
        [Event::Unpublish { clean: false }]
    ));
}

#[test]
fn an_unsupported_codec_is_refused_by_name() {
    let mut session = publishing();
    let error = session.receive(&tag(9, 0, &[0x22, 1, 2]), seconds(1));
    assert_eq!(
        error,
        Err(Error::UnsupportedVideo("Sorenson H.263".to_owned()))
    );
    assert_eq!(
        replies(&output(&mut session)),
        [
            "onStatus NetStream.Publish.Rejected video codec Sorenson H.263 is not supported; send H.264, HEVC or AV1"
        ]
    );
    assert!(session.is_closed());
}

#[test]
fn a_player_is_sent_away() {
    let mut session = connected();
    let result = session.receive(&named("play", Value::string("KEY")), seconds(1));
    assert_eq!(result, Err(Error::PublishOnly));
    assert!(replies(&output(&mut session))[0].starts_with("onStatus NetStream.Play.Failed"));
}

#[test]
fn the_handshake_has_five_seconds() {
    let mut session = Session::new(seconds(100), 1);
    session
        .receive(&handshake()[..3000], seconds(104))
        .expect("a part");
    assert_eq!(session.deadline(), Some(seconds(105)));
    assert_eq!(session.handle_timeout(seconds(104)), Ok(()));
    let result = session.handle_timeout(seconds(105));
    assert_eq!(result, Err(Error::Timeout(Wait::Handshake)));
    assert_eq!((session.is_closed(), session.deadline()), (true, None));
}

#[test]
fn publishing_has_ten_seconds_whatever_else_is_said() {
    let mut session = connected();
    for second in 1..10 {
        session
            .receive(&named("_checkbw", Value::Null), seconds(second))
            .expect("ignored");
        assert_eq!(session.handle_timeout(seconds(second)), Ok(()));
    }
    let result = session.handle_timeout(seconds(10));
    assert_eq!(result, Err(Error::Timeout(Wait::Publish)));
}

#[test]
fn ten_silent_seconds_end_a_publication_as_lost() {
    let mut session = publishing();
    session
        .receive(&tag(9, 0, &AVC_CONFIG), seconds(7))
        .expect("valid");
    assert_eq!(session.deadline(), Some(seconds(17)));
    let result = session.handle_timeout(seconds(17));
    assert_eq!(result, Err(Error::Timeout(Wait::Idle)));
    let seen = events(&mut session);
    assert!(
        matches!(seen.last(), Some(Event::Unpublish { clean: false })),
        "{seen:?}"
    );
}

#[test]
fn four_message_streams_and_no_more() {
    let mut session = connected();
    let create = named("createStream", Value::Null);
    for _ in 0..MESSAGE_STREAMS_MAX {
        session.receive(&create, seconds(1)).expect("in bounds");
    }
    let result = session.receive(&create, seconds(1));
    assert!(
        matches!(result, Err(Error::Limit { max: 4, .. })),
        "{result:?}"
    );
}

#[test]
fn long_messages_are_for_publishers() {
    let long = tag(9, 0, &[&[0x27, 1, 0, 0, 0][..], &[7; 100_000]].concat());
    let result = connected().receive(&long, seconds(1));
    assert!(
        matches!(result, Err(Error::Limit { max: 65_536, .. })),
        "{result:?}"
    );
    let mut session = publishing();
    session
        .receive(&tag(9, 0, &AVC_CONFIG), seconds(1))
        .expect("valid");
    session.receive(&long, seconds(1)).expect("in bounds");
    assert!(matches!(
        events(&mut session)[..],
        [_, Event::Media(Media::Video(_))]
    ));
}

#[test]
fn replies_that_nobody_reads_are_bounded() {
    let mut session = connected();
    let ask = named("FCPublish", Value::string("KEY")).repeat(4000);
    let result = session.receive(&ask, seconds(1));
    assert!(matches!(result, Err(Error::Limit { .. })), "{result:?}");
    assert!(output(&mut session).len() < OUTPUT_BYTES_MAX + 1000);
}

#[test]
fn acknowledgements_count_modulo_two_to_the_32nd() {
    let mut session = publishing();
    session
        .receive(&chunked(2, message::control(5, 1000)), seconds(1))
        .expect("valid");
    output(&mut session);
    session.received_bytes = (1 << 32) - 10;
    session.acknowledged_bytes = session.received_bytes - 900;
    let more = tag(8, 0, &[0xaf; 1]);
    assert_eq!(more.len(), 13);
    // 87 more to the window of 1000, 13 each.
    for _ in 0..7 {
        assert!(session.poll_output().is_none());
        session
            .receive(&tag(18, 0, b"x"), seconds(1))
            .expect("valid");
    }
    assert_eq!(session.poll_output(), None);
    session
        .receive(&tag(18, 0, b"x"), seconds(1))
        .expect("valid");
    let sent = output(&mut session);
    assert_eq!(replies(&sent), ["type 3"]);
    assert_eq!(sent[12..], 94_u32.to_be_bytes());
}

#[test]
fn a_ping_comes_back() {
    let mut session = connected();
    let ping = chunked(2, message::user_control(event::PING_REQUEST, 0xdead_beef));
    session.receive(&ping, seconds(1)).expect("valid");
    let sent = output(&mut session);
    assert_eq!(sent[12..], [0, 7, 0xde, 0xad, 0xbe, 0xef]);
}

#[test]
fn the_attacks_that_ended_other_servers_end_one_session() {
    // A connect command of nested arrays, as long as a message may be before publish.
    let nested = [
        &b"\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00"[..],
        &[0x0a, 0, 0, 0, 1].repeat(13_000),
    ]
    .concat();
    let nested = chunked(
        3,
        RawMessage {
            type_id: type_id::COMMAND_AMF0,
            message_stream: 0,
            timestamp_ms: 0,
            payload: nested.into(),
        },
    );
    let short = [2, 0xff, 0xd3, 0xba, 0, 0, 0, 0x14, 1, 0, 0, 0];
    for attack in [&nested[..], &short] {
        let mut session = Session::new(Duration::ZERO, 1);
        session
            .receive(&handshake(), Duration::ZERO)
            .expect("valid");
        let error = session
            .receive(attack, Duration::ZERO)
            .expect_err("an attack");
        assert!(session.is_closed(), "{error}");
        assert_eq!(session.receive(attack, Duration::ZERO), Ok(()), "ignored");
    }
}

#[test]
fn commands_out_of_order_end_the_session() {
    let mut session = publishing();
    assert!(session.receive(&publish("KEY"), seconds(1)).is_err());
    assert!(connected().receive(&publish("KEY"), seconds(1)).is_err());
    assert!(connected().receive(&connect(), seconds(1)).is_err());
    let mut session = Session::new(Duration::ZERO, 1);
    session
        .receive(&handshake(), Duration::ZERO)
        .expect("valid");
    session
        .receive(&named("createStream", Value::Null), Duration::ZERO)
        .expect("harmless");
    assert!(session.receive(&publish("KEY"), Duration::ZERO).is_err());
}

#[test]
fn frames_without_a_configuration_are_still_counted_when_the_publication_has_ended() {
    let mut session = publishing();
    let frame = tag(9, 0, &[0x27, 1, 0, 0, 0, 1]);
    session.receive(&frame, seconds(1)).expect("borne");
    session.end_of_input();
    assert_eq!(session.undecodable_frames(), 1);
}
