//! Who may watch a stream: asked of the crate above, which knows the streams.

/// Decides on viewers' requests. Called for each one: it must not block or wait.
pub trait Access: Send + Sync + 'static {
    /// Whether a request for something of `stream`, with the playback token of its query, is
    /// answered.
    fn check(&self, stream: &str, token: Option<&str>) -> Verdict;
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stream is for everyone; a token is ignored.
    Public,
    /// The stream is private and the token opens it. It is made of characters that need no quoting
    /// in a URI (RFC 3986 §2.3): it will be written into playlists.
    Granted,
    /// The stream is private and the token is missing, wrong or expired.
    Refused,
}

/// Every stream is for everyone.
#[derive(Clone, Copy, Debug)]
pub struct Everyone;

impl Access for Everyone {
    fn check(&self, _stream: &str, _token: Option<&str>) -> Verdict {
        Verdict::Public
    }
}
