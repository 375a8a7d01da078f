//! Whether a publisher with a valid key may publish: asked of the operator's own service, with the
//! request that MediaMTX sends to its `authHTTPAddress`.
//!
//! Any 2xx lets the publisher in, any other answer refuses it. The stream key is not in the request:
//! `path` names the stream, and `user`, `password` and `token` are what the publisher gave besides.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::HeaderMap;
use ingest::{Publisher, Refusal};
use media_core::StreamId;
use serde::Serialize;
use storage::webhooks::HookUrl;
use tokio::sync::Semaphore;

use super::addresses::Reach;
use super::client::{Answer, Client, Error};
use crate::tls;

/// Questions at once; more wait, within their time. Each is of a publisher with a valid key.
const ASKING_MAX: usize = 64;

/// What becomes of a publisher where the hook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Deny,
    Allow,
}

impl FromStr for OnFailure {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "deny" => Ok(Self::Deny),
            "allow" => Ok(Self::Allow),
            _ => Err("deny or allow is expected"),
        }
    }
}

/// See the module.
pub(crate) struct OnPublish {
    client: Client,
    url: HookUrl,
    timeout: Duration,
    on_failure: OnFailure,
    asking: Semaphore,
}

/// The body of the request: names, types and order of MediaMTX's.
#[derive(Serialize)]
struct Question<'a> {
    ip: String,
    user: &'a str,
    password: &'a str,
    token: &'a str,
    action: &'static str,
    path: String,
    protocol: String,
    /// A UUID of this connection's own.
    id: String,
    query: &'a str,
}

impl OnPublish {
    pub(crate) fn new(
        url: HookUrl,
        timeout: Duration,
        on_failure: OnFailure,
        tls: tls::client::Config,
    ) -> Self {
        Self {
            client: Client::new(tls, Reach::Anywhere),
            url,
            timeout,
            on_failure,
            asking: Semaphore::new(ASKING_MAX),
        }
    }

    /// Asks about a publisher of `stream`; is answered within the configured time. Logs what came
    /// of it.
    pub(crate) async fn ask(
        &self,
        stream: &StreamId,
        publisher: &Publisher,
    ) -> Result<(), Refusal> {
        let began = Instant::now();
        let id = Uuid(rand::random());
        let asked = self.post(&id, stream, publisher);
        let answered = tokio::time::timeout(self.timeout, asked).await;
        let answered = answered.unwrap_or(Err(Error::Timeout(self.timeout)));
        let (peer, protocol) = (publisher.peer, publisher.protocol);
        let took_ms = began.elapsed().as_millis();
        match answered {
            Ok(Answer { status, .. }) if status.is_success() => {
                tracing::debug!(%stream, %peer, %protocol, %id, took_ms, "on_publish allows a publisher");
                Ok(())
            }
            Ok(Answer { status, text }) => {
                let status = status.as_u16();
                tracing::info!(%stream, %peer, %protocol, %id, took_ms, status, answer = ?text, "on_publish refuses a publisher");
                Err(Refusal::Vetoed)
            }
            Err(error) => {
                let on_failure = self.on_failure;
                tracing::warn!(%stream, %peer, %protocol, %id, took_ms, %error, ?on_failure, "on_publish does not answer");
                match on_failure {
                    OnFailure::Deny => Err(Refusal::Unanswered),
                    OnFailure::Allow => Ok(()),
                }
            }
        }
    }

    async fn post(
        &self,
        id: &Uuid,
        stream: &StreamId,
        publisher: &Publisher,
    ) -> Result<Answer, Error> {
        let _asking = self.asking.acquire().await;
        let question = question(id, stream, publisher);
        self.client
            .post(&self.url, HeaderMap::new(), question, self.timeout)
            .await
    }
}

fn question(id: &Uuid, stream: &StreamId, publisher: &Publisher) -> String {
    let claims = &publisher.claims;
    let in_query = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(claims.query.as_bytes());
        let found = pairs.find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let either = |said: &str, name| match said {
        "" => in_query(name),
        said => said.to_owned(),
    };
    let question = Question {
        ip: publisher.peer.ip().to_canonical().to_string(),
        user: &either(&claims.user, "user"),
        password: &either(&claims.password, "pass"),
        token: &in_query("token"),
        action: "publish",
        path: format!("live/{stream}"),
        protocol: publisher.protocol.to_string(),
        id: id.to_string(),
        query: &claims.query,
    };
    serde_json::to_string(&question).expect("a struct of texts is JSON")
}

/// A random UUID (RFC 9562 §5.4).
struct Uuid(u128);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const VERSION_4: u128 = 4 << 76;
        const VARIANT: u128 = 0b10 << 62;
        let bits = self.0 & !(0xf << 76) & !(0b11 << 62) | VERSION_4 | VARIANT;
        let hex = format!("{bits:032x}");
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

#[cfg(test)]
mod tests {
    use ingest::{Claims, Protocol};

    use super::*;

    fn asked(protocol: Protocol, claims: Claims) -> String {
        let publisher = Publisher {
            peer: "[::ffff:192.0.2.7]:40000".parse().expect("an address"),
            protocol,
            claims,
        };
        let stream = StreamId::new("harbour").expect("an id");
        question(&Uuid(u128::MAX), &stream, &publisher)
    }

    #[test]
    fn the_question_is_mediamtxs() {
        let claims = Claims {
            query: "user=ann&pass=p%26w&token=t1&x=y".into(),
            ..Claims::default()
        };
        assert_eq!(
            asked(Protocol::Rtmps, claims),
            r#"{"ip":"192.0.2.7","user":"ann","password":"p&w","token":"t1","action":"publish","path":"live/harbour","protocol":"rtmps","id":"ffffffff-ffff-4fff-bfff-ffffffffffff","query":"user=ann&pass=p%26w&token=t1&x=y"}"#
        );
    }

    #[test]
    fn what_a_stream_id_says_goes_before_its_query_and_nothing_is_made_up() {
        let claims = Claims {
            user: "ann".into(),
            password: "pw".into(),
            query: "user=bob&pass=other".into(),
        };
        let question = asked(Protocol::Srt, claims);
        assert!(question.contains(r#""user":"ann","password":"pw","token":"""#));
        let question = asked(Protocol::Srt, Claims::default());
        assert!(question.contains(r#""user":"","password":"","token":"","#));
        assert!(question.ends_with(r#""query":""}"#), "{question}");
    }
}
