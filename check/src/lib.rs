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

/// For the fuzz target: reads bytes as coded pictures.
#[doc(hidden)]
pub fn read_any_pictures(bytes: &[u8]) {
    use media::bitstream::{Coding, is_random_access, length_prefixed, parameters, start_coded};
    for coding in [Coding::H264, Coding::H265, Coding::Other] {
        let _ = is_random_access(coding, start_coded(bytes));
        for len_bytes in 0..=4 {
            let _ = is_random_access(coding, length_prefixed(bytes, len_bytes));
        }
    }
    // Most of what is random is no parameter set.
    let as_set = [&[0x67], bytes].concat();
    for unit in start_coded(bytes).chain([bytes, &as_set]) {
        if let Some(found) = parameters(unit) {
            assert!(found.codec.len() == "avc1.640028".len() && found.codec.is_ascii());
        }
    }
}

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
