//! The first bytes of a file: whether it can be one of the containers that are read. That is known
//! before the rest of it is there. What it really is, an inspection finds out
//! ([`crate::graph::offline::inspect`]).

/// How many bytes are looked at: some packets of a transport stream.
pub const HEAD_BYTES: usize = 4096;

/// Bytes of a packet of a transport stream, and of one with a time before it (as on Blu-ray).
const PACKET_BYTES: [usize; 2] = [188, 192];

/// What a packet begins with (ISO/IEC 13818-1 §2.4.3.3).
const SYNC_BYTE: u8 = 0x47;

/// Boxes with which files of the ISO base media format and QuickTime movies begin.
const FIRST_BOXES: [&[u8; 4]; 9] = [
    b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid",
];

/// What an EBML document begins with (RFC 8794 §11.2.1): Matroska and WebM.
const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];

/// Whether a file that begins with `head` can be MP4, MOV, Matroska, WebM, MPEG-TS or FLV. `head` is
/// [`HEAD_BYTES`] long, or the whole file.
pub fn may_be_media(head: &[u8]) -> bool {
    let first_box = head.get(4..8);
    first_box.is_some_and(|kind| FIRST_BOXES.iter().any(|first| kind == *first))
        || head.starts_with(EBML)
        || head.starts_with(b"FLV\x01")
        || PACKET_BYTES.iter().any(|&packet| has_packets(head, packet))
}

/// Whether packets of a transport stream stand in `head` one behind the other, perhaps behind a
/// piece of one.
fn has_packets(head: &[u8], packet_bytes: usize) -> bool {
    /// By chance once in 16 million, for each place that is tried.
    const IN_A_ROW: usize = 4;
    let is_sync = |at: usize| head.get(at) == Some(&SYNC_BYTE);
    (0..packet_bytes)
        .any(|first| (0..IN_A_ROW).all(|number| is_sync(first + number * packet_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(packet_bytes: usize, sync_at: usize) -> Vec<u8> {
        let mut packet = vec![0xff; packet_bytes];
        packet[sync_at] = SYNC_BYTE;
        packet.repeat(HEAD_BYTES / packet_bytes)
    }

    #[test]
    fn every_container_is_let_pass_by_its_first_bytes() {
        for head in [
            &b"\0\0\0\x20ftypisom\0\0\x02\0"[..],
            b"\0\0\0\x08wide\0\0\0\0mdat",
            b"\0\0\x10\0moov\0\0\0\x6cmvhd",
            b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01",
            b"FLV\x01\x05\0\0\0\x09",
            &packets(188, 0),
            &packets(188, 100),
            &packets(192, 4),
        ] {
            assert!(may_be_media(head), "{head:x?}");
        }
    }

    #[test]
    fn what_is_no_media_is_known_at_once() {
        for head in [
            &b""[..],
            b"ftyp",
            b"#EXTM3U\n#EXT-X-VERSION:3\n",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"PK\x03\x04\x14\0\0\0\x08\0",
            b"%PDF-1.7\n",
            b"<?xml version=\"1.0\"?><MPD>",
            &[0; HEAD_BYTES],
            &packets(188, 0)[..3 * 188],
        ] {
            assert!(!may_be_media(head), "{head:x?}");
        }
    }
}
