//! The commands of a publisher and the replies to them (RTMP 1.0 §7.2; `releaseStream`, `FCPublish`
//! and `FCUnpublish` are Flash Media Server's, which every encoder still sends).

use bytes::{Bytes, BytesMut};

use super::amf0::{self, Value};
use super::chunk::RawMessage;
use super::error::{Error, Place};
use super::message::type_id;

/// What Enhanced RTMP lets this server take, as it is listed in the reply to `connect`.
const FOUR_CC_LIST: [&str; 6] = ["avc1", "hvc1", "av01", "mp4a", ".mp3", "Opus"];

/// A command as far as a server of publishers acts on it. Not `Debug`: it may hold a key.
pub(crate) enum Command {
    Connect {
        transaction: f64,
        app: String,
        tc_url: String,
    },
    ReleaseStream {
        transaction: f64,
    },
    FcPublish {
        transaction: f64,
    },
    CreateStream {
        transaction: f64,
    },
    Publish {
        name: String,
    },
    FcUnpublish {
        transaction: f64,
    },
    DeleteStream {
        /// `None`: GStreamer 1.22's rtmp2sink gives the key in the number's place.
        message_stream: Option<u32>,
    },
    CloseStream,
    Play,
    /// Anything else, such as `_checkbw`: left without an answer, which every encoder bears.
    Other,
}

impl Command {
    /// Decodes a command message's payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        let values = amf0::decode(payload)?;
        let Some(command) = values.first().and_then(Value::as_str) else {
            return Err(Error::Malformed {
                place: Place::Payload(0),
                expected: "the command's name",
                found: "a message without it".to_owned(),
                section: "RTMP 1.0 §7.2",
            });
        };
        let transaction = values.get(1).and_then(Value::as_number).unwrap_or(0.0);
        let object = values.get(2);
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(match command {
            "connect" => Self::Connect {
                transaction,
                app: text(object.and_then(|object| object.property("app"))),
                tc_url: text(object.and_then(|object| object.property("tcUrl"))),
            },
            "releaseStream" => Self::ReleaseStream { transaction },
            "FCPublish" => Self::FcPublish { transaction },
            "createStream" => Self::CreateStream { transaction },
            "publish" => Self::Publish {
                name: text(values.get(3)),
            },
            "FCUnpublish" => Self::FcUnpublish { transaction },
            // The number stands behind the command object, which some encoders leave out; it
            // saturates, and what is no stream of ours is ignored.
            "deleteStream" => Self::DeleteStream {
                message_stream: values
                    .iter()
                    .skip(2)
                    .find_map(Value::as_number)
                    .map(|number| number as u32),
            },
            "closeStream" => Self::CloseStream,
            "play" | "play2" => Self::Play,
            _ => Self::Other,
        })
    }
}

/// The codes of `onStatus` that a publisher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    PublishStart,
    PublishBadName,
    PublishRejected,
    UnpublishSuccess,
    PlayFailed,
}

impl Status {
    fn level_and_code(self) -> (&'static str, &'static str) {
        match self {
            Self::PublishStart => ("status", "NetStream.Publish.Start"),
            Self::PublishBadName => ("error", "NetStream.Publish.BadName"),
            Self::PublishRejected => ("error", "NetStream.Publish.Rejected"),
            Self::UnpublishSuccess => ("status", "NetStream.Unpublish.Success"),
            Self::PlayFailed => ("error", "NetStream.Play.Failed"),
        }
    }
}

/// The reply to `connect` (RTMP 1.0 §7.2.1.1; Enhanced RTMP v2, "Enhancing NetConnection connect
/// Command", for `fourCcList`).
pub(crate) fn connected(transaction: f64) -> RawMessage {
    let four_cc_list = || Value::Array(FOUR_CC_LIST.map(Value::string).into());
    let server = Value::object([
        // Encoders look for a number in it and for nothing else.
        ("fmsVer", Value::string("FMS/3,0,1,123")),
        ("capabilities", Value::Number(31.0)),
        ("mode", Value::Number(1.0)),
        ("fourCcList", four_cc_list()),
    ]);
    let information = Value::object([
        ("level", Value::string("status")),
        ("code", Value::string("NetConnection.Connect.Success")),
        ("description", Value::string("Connection succeeded.")),
        ("objectEncoding", Value::Number(0.0)),
        ("fourCcList", four_cc_list()),
    ]);
    command(0, "_result", transaction, &[server, information])
}

/// The reply to a command that asks for nothing, or for a message stream.
pub(crate) fn result(transaction: f64, value: Value) -> RawMessage {
    command(0, "_result", transaction, &[Value::Null, value])
}

/// Flash Media Server's notice that `FCPublish` or `FCUnpublish` was done.
pub(crate) fn fc_notice(name: &str, status: Status) -> RawMessage {
    let (_, code) = status.level_and_code();
    let information = Value::object([
        ("code", Value::string(code)),
        ("description", Value::string("")),
    ]);
    command(0, name, 0.0, &[Value::Null, information])
}

/// An `onStatus` notice (RTMP 1.0 §7.2.2).
pub(crate) fn on_status(message_stream: u32, status: Status, description: &str) -> RawMessage {
    let (level, code) = status.level_and_code();
    let information = Value::object([
        ("level", Value::string(level)),
        ("code", Value::string(code)),
        ("description", Value::string(description)),
    ]);
    command(message_stream, "onStatus", 0.0, &[Value::Null, information])
}

fn command(message_stream: u32, name: &str, transaction: f64, values: &[Value]) -> RawMessage {
    let mut payload = BytesMut::new();
    amf0::encode(&Value::string(name), &mut payload);
    amf0::encode(&Value::Number(transaction), &mut payload);
    for value in values {
        amf0::encode(value, &mut payload);
    }
    RawMessage {
        type_id: type_id::COMMAND_AMF0,
        message_stream,
        timestamp_ms: 0,
        payload: Bytes::from(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(values: &[Value]) -> BytesMut {
        let mut payload = BytesMut::new();
        for value in values {
            amf0::encode(value, &mut payload);
        }
        payload
    }

    #[test]
    fn connect_gives_its_application_and_url() {
        let payload = encoded(&[
            Value::string("connect"),
            Value::Number(1.0),
            Value::object([
                ("app", Value::string("live")),
                ("tcUrl", Value::string("rtmp://host/live")),
            ]),
        ]);
        let Ok(Command::Connect {
            transaction,
            app,
            tc_url,
        }) = Command::parse(&payload)
        else {
            panic!("not a connect command");
        };
        assert_eq!(transaction, 1.0);
        assert_eq!(
            (app.as_str(), tc_url.as_str()),
            ("live", "rtmp://host/live")
        );
    }

    #[test]
    fn a_command_without_a_name_is_an_error() {
        for payload in [&[][..], &[0x05], &[0x00, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(Command::parse(payload).is_err());
        }
    }

    #[test]
    fn the_reply_to_connect_lists_the_codecs_of_enhanced_rtmp() {
        let values = amf0::decode(&connected(1.0).payload).expect("own encoding");
        let Some(Value::Array(list)) = values[3].property("fourCcList") else {
            panic!("no fourCcList");
        };
        assert!(list.contains(&Value::string("hvc1")) && list.contains(&Value::string("av01")));
        assert_eq!(
            values[3].property("code"),
            Some(&Value::string("NetConnection.Connect.Success"))
        );
    }
}
