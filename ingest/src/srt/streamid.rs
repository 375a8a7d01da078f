//! Reads an SRT Stream ID (`SRTO_STREAMID`) as the name of a stream to publish to.
//!
//! Forms: the keyed form of the SRT Access Control guidelines (`#!::r=KEY,m=publish`), the
//! `publish:KEY`, `publish:KEY:QUERY` and `publish:KEY:USER:PASSWORD[:QUERY]` of other servers,
//! `live/KEY` as in an RTMP address, and the bare key; any of them percent-encoded, since encoders
//! differ in what they decode of a URL. A pure function: it knows no key and looks nothing up.
//!
//! The nested form `#!:{…}` is refused by name: no encoder is known to send it.

use std::borrow::Cow;

use crate::gate::{Claims, StreamKey};

/// The longest Stream ID that SRT carries, in bytes (Access Control guidelines, "General Syntax").
pub const LENGTH_MAX: usize = 512;

/// What opens the keyed form.
const KEYED_PREFIX: &str = "#!::";
/// What opens the nested form.
const NESTED_PREFIX: &str = "#!:{";
/// The application part that may stand before a key, as in RTMP addresses.
const APPLICATION_PREFIX: &str = "live/";

/// Why a Stream ID names no stream to publish to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was sent.
    #[error("the streamid is missing; send publish:KEY or #!::m=publish,r=KEY")]
    Missing,
    /// The caller wants to receive.
    #[error("the streamid asks to receive; this server only takes publishers (m=publish)")]
    NotPublish,
    /// `m` has a value that the guidelines do not know.
    #[error("the streamid's mode (m) is none of request, publish and bidirectional")]
    UnknownMode,
    /// `t` asks for a file or an authentication session.
    #[error("the streamid's type (t) is not stream")]
    NotStream,
    /// The keyed form has no resource name.
    #[error("the streamid has no resource name (r=KEY)")]
    NoResource,
    /// The key is longer than a key can be.
    #[error("the streamid's key is too long")]
    KeyTooLong,
    /// An item without `=`, a key given twice, a control character, or text that is not UTF-8.
    #[error("the streamid is malformed: {0}")]
    Malformed(&'static str),
}

/// What a caller asked to publish to, and what it said besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The secret.
    pub key: StreamKey,
    /// The rest.
    pub claims: Claims,
}

/// Reads `text` (what the caller sent, without padding) as the name of a stream to publish to.
pub fn parse(text: &[u8]) -> Result<Name, Error> {
    if text.is_empty() {
        return Err(Error::Missing);
    }
    if text.len() > LENGTH_MAX {
        return Err(Error::Malformed("it has more than 512 bytes"));
    }
    let text = str::from_utf8(text).map_err(|_| Error::Malformed("it is not UTF-8"))?;
    // Only where the opening itself is encoded has the whole been encoded; elsewhere each value
    // is decoded by itself, so that an encoded comma stays part of its value.
    let text = if starts_with_ignore_case(text, "%23") {
        decode(text)?
    } else {
        Cow::Borrowed(text)
    };
    if text.chars().any(char::is_control) {
        return Err(Error::Malformed("it has a control character"));
    }
    if let Some(items) = text.strip_prefix(KEYED_PREFIX) {
        return keyed(items);
    }
    if text.starts_with(NESTED_PREFIX) {
        return Err(Error::Malformed(
            "the nested form is not supported; send #!::m=publish,r=KEY",
        ));
    }
    let text = decode(&text)?;
    match text.split_once(':') {
        Some((mode, rest)) if mode.eq_ignore_ascii_case("publish") => listed(rest),
        Some((mode, _))
            if ["read", "request", "play"]
                .iter()
                .any(|word| mode.eq_ignore_ascii_case(word)) =>
        {
            Err(Error::NotPublish)
        }
        _ => named(&text, Claims::default()),
    }
}

/// `rest` is what follows `publish:`: a key, and behind colons a query, or a user with a password
/// and perhaps a query.
fn listed(rest: &str) -> Result<Name, Error> {
    let parts: Vec<&str> = rest.split(':').collect();
    let (key, user, password, query) = match parts[..] {
        [key] => (key, "", "", ""),
        [key, query] => (key, "", "", query),
        [key, user, password] => (key, user, password, ""),
        [key, user, password, query] => (key, user, password, query),
        _ => return Err(Error::Malformed("it has more than five parts")),
    };
    let claims = Claims {
        user: user.to_owned(),
        password: password.to_owned(),
        query: query.to_owned(),
    };
    named(key, claims)
}

/// `items` is what follows `#!::`: comma-separated `key=value`.
fn keyed(items: &str) -> Result<Name, Error> {
    let (mut mode, mut name, mut kind) = (None, None, None);
    let (mut user, mut password) = (None, None);
    for item in items.split(',').filter(|item| !item.is_empty()) {
        let (key, value) = item
            .split_once('=')
            .ok_or(Error::Malformed("an item has no '='"))?;
        let slot = match key {
            "m" => &mut mode,
            "r" => &mut name,
            "t" => &mut kind,
            "u" => &mut user,
            // The guidelines' session; other servers take it as the password.
            "s" => &mut password,
            // Host and what else an encoder adds say nothing of the stream.
            _ => continue,
        };
        if slot.replace(decode(value)?).is_some() {
            return Err(Error::Malformed("an item is given twice"));
        }
    }
    // The guidelines' default mode is request.
    match mode.as_deref() {
        Some(mode) if mode.eq_ignore_ascii_case("publish") => {}
        None => return Err(Error::NotPublish),
        Some(mode)
            if ["request", "bidirectional"]
                .iter()
                .any(|word| mode.eq_ignore_ascii_case(word)) =>
        {
            return Err(Error::NotPublish);
        }
        Some(_) => return Err(Error::UnknownMode),
    }
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("stream")) {
        return Err(Error::NotStream);
    }
    let text = |value: Option<Cow<'_, str>>| value.map(Cow::into_owned).unwrap_or_default();
    let claims = Claims {
        user: text(user),
        password: text(password),
        query: String::new(),
    };
    named(&name.ok_or(Error::NoResource)?, claims)
}

/// `text` is a key, with or without the application before it.
fn named(text: &str, claims: Claims) -> Result<Name, Error> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let text = text.strip_prefix(APPLICATION_PREFIX).unwrap_or(text);
    if text.is_empty() {
        return Err(Error::NoResource);
    }
    if text.chars().any(char::is_control) {
        return Err(Error::Malformed("it has a control character"));
    }
    let key = StreamKey::new(text).ok_or(Error::KeyTooLong)?;
    Ok(Name { key, claims })
}

/// Undoes percent-encoding (RFC 3986 §2.1) once.
fn decode(text: &str) -> Result<Cow<'_, str>, Error> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Error::Malformed("a '%' is not followed by two hex digits"));
        };
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| Error::Malformed("it is not UTF-8"))
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<String, Error> {
        parse(text.as_bytes()).map(|name| name.key.reveal().to_owned())
    }

    #[test]
    fn what_a_caller_says_besides_is_kept_apart_from_the_key() {
        for (text, user, password, query) in [
            ("publish:KEY", "", "", ""),
            ("publish:KEY:token=a", "", "", "token=a"),
            ("publish:KEY:ann:pw", "ann", "pw", ""),
            ("publish:live/KEY:ann:pw:a=b&c", "ann", "pw", "a=b&c"),
            ("#!::m=publish,r=KEY,u=ann,s=p%2Cw", "ann", "p,w", ""),
            ("live/KEY", "", "", ""),
        ] {
            let name = parse(text.as_bytes()).expect("valid");
            assert_eq!(name.key.reveal(), "KEY", "{text}");
            let claims = &name.claims;
            let found = (&*claims.user, &*claims.password, &*claims.query);
            assert_eq!(found, (user, password, query), "{text}");
            assert!(!format!("{name:?}").contains("KEY"));
        }
        assert!(matches!(
            parse(b"publish:KEY:a:b:c:d"),
            Err(Error::Malformed(_))
        ));
    }

    #[test]
    fn every_form_that_encoders_send_names_the_key() {
        for text in [
            "publish:K3y-a_2",
            "publish:live/K3y-a_2",
            "#!::m=publish,r=K3y-a_2",
            "#!::r=live/K3y-a_2,m=publish",
            "#!::h=example.org,r=live/K3y-a_2,m=publish",
            "#!::h=example.org:8890,r=/live/K3y-a_2,m=publish,t=stream,u=someone,s=1,x-own=1",
            "#!::r=K3y-a_2,m=Publish,",
            "live/K3y-a_2",
            "/live/K3y-a_2",
            "K3y-a_2",
            "publish%3AK3y-a_2",
            "live%2FK3y-a_2",
            "%23!::m=publish,r=K3y-a_2",
            "%23%21%3A%3Am%3Dpublish%2Cr%3Dlive%2fK3y-a_2",
            "#!::m=publish,r=live%2FK3y-a_2",
            "K3y%2Da_2",
        ] {
            assert_eq!(key(text).as_deref(), Ok("K3y-a_2"), "{text}");
        }
    }

    #[test]
    fn an_encoded_comma_stays_in_its_value() {
        assert_eq!(key("#!::m=publish,r=a%2Cb").as_deref(), Ok("a,b"));
    }

    #[test]
    fn whoever_wants_to_receive_is_told_so() {
        for text in [
            "read:KEY",
            "request:KEY",
            "play:KEY",
            "#!::m=request,r=KEY",
            "#!::r=KEY",
            "#!::m=bidirectional,r=KEY",
            "%23!::m%3Drequest%2Cr%3DKEY",
        ] {
            assert_eq!(key(text), Err(Error::NotPublish), "{text}");
        }
        assert_eq!(key("#!::m=file,r=KEY"), Err(Error::UnknownMode));
        assert_eq!(key("#!::m=publish,t=file,r=KEY"), Err(Error::NotStream));
    }

    #[test]
    fn junk_is_refused_by_name() {
        assert_eq!(key(""), Err(Error::Missing));
        for text in [
            "publish:",
            "live/",
            "/",
            "#!::m=publish",
            "#!::m=publish,r=",
        ] {
            assert_eq!(key(text), Err(Error::NoResource), "{text}");
        }
        for text in [
            "#!::m=publish,r",
            "#!::m=publish,r=a,r=b",
            "#!::m=publish,m=request,r=a",
            "#!:{m: publish, r: KEY}",
            "KEY%",
            "KEY%4",
            "KEY%zz",
            "KEY%ff",
            "KEY%00",
            "KEY\r\nforged log line",
            "#!::m=publish,r=a%0ab",
        ] {
            assert!(matches!(key(text), Err(Error::Malformed(_))), "{text:?}");
        }
        assert!(matches!(parse(b"\xff\xfe"), Err(Error::Malformed(_))));
        assert!(matches!(parse(&[b'a'; 513]), Err(Error::Malformed(_))));
        assert!(parse(&[b'a'; 512]).is_ok());
    }

    #[test]
    fn no_bytes_whatever_panic() {
        use rand::{Rng, SeedableRng, rngs::SmallRng};
        let mut rng = SmallRng::seed_from_u64(7);
        let alphabet = b"#!:,=%2mrt/publishlive{}\xc3\xa4\x00";
        for _ in 0..20_000 {
            let length = rng.random_range(0..40);
            let text: Vec<u8> = (0..length)
                .map(|_| alphabet[rng.random_range(0..alphabet.len())])
                .collect();
            if let Ok(name) = parse(&text) {
                assert!(!name.key.reveal().is_empty());
            }
        }
    }
}
