//! Follows an HLS or low-latency HLS stream for some seconds and reports every rule as kept, broken
//! or not seen (RFC 8216; draft-pantos-hls-rfc8216bis; the HLS Authoring Specification for Apple
//! Devices; ISO/IEC 14496-12 and 23000-19).
//!
//! The shell ([`follow`]) only asks and records: its result, a [`Session`], is plain values, and
//! [`rules::judge`] is a pure function from it to a [`Report`]. It decodes no picture and no sound,
//! and it decrypts nothing.

mod media;
mod playlist;
pub mod report;
pub mod rules;
pub mod session;
mod shell;
mod view;

#[cfg(test)]
mod synthetic;

pub use report::Report;
pub use session::Session;
pub use shell::{Failed, Options, TlsError, Trust, follow};

/// For the fuzz target: reads bytes as everything that a peer can send.
#[doc(hidden)]
pub fn read_anything(bytes: &[u8]) {
    use playlist::{MediaPlaylist, Multivariant};
    let url = "http://host/playlist.m3u8";
    let playlist = MediaPlaylist::parse(url, bytes);
    let _ = (playlist.next(), playlist.last(), playlist.part_target());
    let _ = Multivariant::parse(url, bytes);
    let _ = media::ts::parse(bytes);
    if let Ok(init) = media::fmp4::Init::parse(bytes) {
        let _ = init.media(bytes, media::fmp4::Extent::Whole);
        let _ = init.media(bytes, media::fmp4::Extent::Beginning);
    }
}
