//! Where a hook is called: a URL that this server may be made to send requests to.

use std::fmt;

use url::{Host, Url};

/// The longest address, in bytes: what every server and proxy takes.
pub const LENGTH_MAX: usize = 2048;

/// An absolute `http://` or `https://` URL, as RFC 3986 writes it after normalization.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Url);

/// Why a text is no address of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Longer than [`LENGTH_MAX`].
    #[error("an address has at most {LENGTH_MAX} bytes")]
    TooLong,
    /// No URL, or one of another kind.
    #[error("an absolute URL with http:// or https:// is expected")]
    NotHttp,
    /// A name or a password before the host: logs would keep them, and they would not be sent.
    #[error("an address has no user and no password in it; the signature shows who calls")]
    Credentials,
    /// What stands behind `#` is never sent.
    #[error("an address has no fragment (#) in it")]
    Fragment,
}

impl HookUrl {
    /// Checks `text`. What its host's address is, is not looked at: names change theirs.
    pub fn new(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > LENGTH_MAX {
            return Err(InvalidUrl::TooLong);
        }
        let url = Url::parse(text).map_err(|_| InvalidUrl::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(InvalidUrl::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        match url.as_str().len() > LENGTH_MAX {
            true => Err(InvalidUrl::TooLong),
            false => Ok(Self(url)),
        }
    }

    /// The normalized text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host: a name, or an address that no name has to be looked up for.
    pub fn host(&self) -> Host<&str> {
        self.0.host().expect("checked when it was made")
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Without path and query: they may carry a token.
impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookUrl({}://{})", self.0.scheme(), self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_called_is_an_address() {
        for (text, expected) in [
            ("https://example.org", Ok("https://example.org/")),
            ("http://h:8080/a?b=c", Ok("http://h:8080/a?b=c")),
            // Every way to write an address becomes the usual one.
            ("http://0x7f.1/", Ok("http://127.0.0.1/")),
            ("HTTP://[::1]:9/", Ok("http://[::1]:9/")),
            ("ftp://example.org", Err(InvalidUrl::NotHttp)),
            ("file:///etc/passwd", Err(InvalidUrl::NotHttp)),
            ("example.org/hook", Err(InvalidUrl::NotHttp)),
            ("http://", Err(InvalidUrl::NotHttp)),
            ("", Err(InvalidUrl::NotHttp)),
            ("https://ann@example.org/", Err(InvalidUrl::Credentials)),
            ("https://:pw@example.org/", Err(InvalidUrl::Credentials)),
            ("https://example.org/#a", Err(InvalidUrl::Fragment)),
        ] {
            let url = HookUrl::new(text);
            assert_eq!(
                url.as_ref().map(HookUrl::as_str),
                expected.as_ref().copied()
            );
        }
        let long = format!("https://example.org/{}", "a".repeat(LENGTH_MAX));
        assert_eq!(HookUrl::new(&long), Err(InvalidUrl::TooLong));
    }

    #[test]
    fn a_token_in_the_path_is_not_in_the_log() {
        let url = HookUrl::new("https://example.org/s3cret?t=s3cret").expect("valid");
        assert_eq!(format!("{url:?}"), "HookUrl(https://example.org)");
    }
}
