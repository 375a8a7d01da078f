//! Playlists as text: pure functions from plain values (RFC 8216, draft-pantos-hls-rfc8216bis).

pub mod links;
pub mod media;
pub mod multivariant;
pub mod stored;
