//! Writing ISO base media file format boxes (ISO/IEC 14496-12 §4.2), and finding those written.

/// A box under construction. Its size is filled in when the closure that writes its content ends.
pub(crate) fn write_box(out: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    content(out);
    // Initialization segments, chunk headers and sample tables, whose samples are limited.
    let size = u32::try_from(out.len() - start).expect("a header is far below 4 GiB");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// A full box: version and flags first (§4.2.2).
pub(crate) fn write_full_box(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    content: impl FnOnce(&mut Vec<u8>),
) {
    write_box(out, kind, |out| {
        put_u32(out, u32::from(version) << 24 | flags & 0x00ff_ffff);
        content(out);
    });
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, 0);
}

/// The box at the end of `path`, with its header, in what this crate wrote; `None`: there is none.
pub(crate) fn find<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let (kind, rest) = path.split_first()?;
    loop {
        let (size, tail) = bytes.split_first_chunk::<4>()?;
        let found = bytes.get(..usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
        let content = found.get(HEADER_BYTES..)?;
        if tail.starts_with(&kind[..]) {
            return match rest {
                [] => Some(found),
                rest => find(content, rest),
            };
        }
        bytes = &bytes[found.len()..];
    }
}

/// Of a box: size and type.
pub(crate) const HEADER_BYTES: usize = 8;
