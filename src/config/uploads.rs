//! How much may be uploaded into the VOD library, and what that leaves on the disk.

use control_api::UploadLimits;
use storage::asset::Reserve;

use super::{Error, Reader};

/// A small disk is not kept free by more than this: three times what recordings leave.
const RESERVE_PERCENT: u8 = 15;

/// A tebibyte.
const RESERVE_MIB_MAX: u64 = 1 << 20;

/// How uploads are taken.
#[derive(Debug)]
pub(crate) struct Uploads {
    pub(crate) limits: UploadLimits,
    /// What they and their encoding leave free on the disk.
    pub(crate) reserve: Reserve,
}

pub(super) fn read(values: &Reader) -> Result<Uploads, Error> {
    let mib = |path| values.whole(path, 0..=RESERVE_MIB_MAX);
    // Recordings cannot be made again: they have the disk when files get none of it any more.
    let reserve_mib = mib("uploads.reserve_mib")?.max(mib("recording.reserve_mib")?);
    Ok(Uploads {
        limits: UploadLimits {
            bytes_max: values.whole("uploads.max_gib", 1..=1024)? << 30,
            owner_bytes_max: values.whole("uploads.owner_gib", 1..=1 << 20)? << 30,
        },
        reserve: Reserve {
            bytes: reserve_mib << 20,
            percent: RESERVE_PERCENT,
        },
    })
}
