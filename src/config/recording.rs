//! What is recorded, and for how long it is kept.

use media_core::RenditionName;
use storage::asset::Reserve;
use storage::retention::Policy;

use super::{Error, Reader};
use crate::recordings::Defaults;

/// Ten years.
const DAYS_MAX: u64 = 3650;

/// A pebibyte.
const GIB_MAX: u64 = 1 << 20;

/// A tebibyte.
const RESERVE_MIB_MAX: u64 = 1 << 20;

/// A small disk is not kept free by more than this.
const RESERVE_PERCENT: u8 = 5;

pub(super) fn read(values: &Reader) -> Result<Defaults, Error> {
    let gib = |path| Ok(bound(values.whole(path, 0..=GIB_MAX)?).map(|gib| gib << 30));
    Ok(Defaults {
        record: values.parsed("recording.record")?,
        renditions: values
            .checked("recording.renditions", renditions)?
            .unwrap_or_default(),
        reserve: Reserve {
            bytes: values.whole("recording.reserve_mib", 0..=RESERVE_MIB_MAX)? << 20,
            percent: RESERVE_PERCENT,
        },
        retention: Policy {
            days: bound(values.whole("recording.keep_days", 0..=DAYS_MAX)?).map(|days| days as u32),
            stream_bytes: gib("recording.keep_stream_gib")?,
            total_bytes: gib("recording.keep_total_gib")?,
        },
    })
}

/// 0 stands for none.
fn bound(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// `720p, audio`.
fn renditions(text: &str) -> Result<Vec<RenditionName>, String> {
    let names = text.split(',').map(|name| RenditionName::new(name.trim()));
    names
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}
