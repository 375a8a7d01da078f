//! What an owner says about a stream, checked: alike where it is created and where it is changed.

use media_core::RenditionName;
use serde::{Deserialize, Serialize};
use storage::recording::{Choice, Limit};
use storage::streams::RecordingChange;
use utoipa::ToSchema;

use crate::body::given;
use crate::faults::Faults;

/// The most renditions that can be named: more than any ladder has.
const RENDITIONS_MAX: usize = 16;

/// The largest number that every reader of JSON takes as it is (RFC 8259 §6).
const BYTES_MAX: u64 = (1 << 53) - 1;

/// How long a stream's recordings are kept, each `null` where the server's setting says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    /// Days after their end; 0: for ever.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u32>)]
    days: Option<Option<u32>>,
    /// Bytes of all of them together, the oldest go first; 0: without a bound.
    #[serde(
        default,
        deserialize_with = "given",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u64>, maximum = 9_007_199_254_740_991_u64)]
    bytes: Option<Option<u64>>,
}

impl Retention {
    pub(super) fn of(choice: &Choice) -> Self {
        Self {
            days: Some(to_number(choice.keep_days, 0)),
            bytes: Some(to_number(choice.keep_bytes, 0)),
        }
    }
}

/// What an owner wants of recordings: what is left out stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    pub(crate) record: Option<Option<bool>>,
    pub(crate) renditions: Option<Vec<String>>,
    pub(crate) retention: Option<Retention>,
}

impl Recording {
    /// The change, where `faults` are none.
    pub(crate) fn check(self, faults: &mut Faults) -> RecordingChange {
        let retention = self.retention.unwrap_or_default();
        if retention
            .bytes
            .flatten()
            .is_some_and(|bytes| bytes > BYTES_MAX)
        {
            faults.found("retention.bytes", format!("is at most {BYTES_MAX}"));
        }
        RecordingChange {
            record: self.record,
            renditions: faults.optional("record_renditions", self.renditions, |names| {
                renditions(&names)
            }),
            keep_days: retention.days.map(to_limit),
            keep_bytes: retention.bytes.map(to_limit),
        }
    }
}

/// What somebody who creates a stream wants of its recordings.
pub(super) fn choice(change: RecordingChange) -> Choice {
    Choice {
        record: change.record.flatten(),
        renditions: change.renditions.unwrap_or_default(),
        keep_days: change.keep_days.unwrap_or_default(),
        keep_bytes: change.keep_bytes.unwrap_or_default(),
    }
}

fn renditions(names: &[String]) -> Result<Vec<RenditionName>, String> {
    if names.len() > RENDITIONS_MAX {
        return Err(format!("names at most {RENDITIONS_MAX} renditions"));
    }
    let mut checked: Vec<RenditionName> = Vec::with_capacity(names.len());
    for name in names {
        let name = RenditionName::new(name).map_err(|error| error.to_string())?;
        if !checked.contains(&name) {
            checked.push(name);
        }
    }
    Ok(checked)
}

fn to_limit<T: Default + PartialEq>(number: Option<T>) -> Limit<T> {
    match number {
        None => Limit::Default,
        Some(number) if number == T::default() => Limit::Unbounded,
        Some(number) => Limit::AtMost(number),
    }
}

fn to_number<T>(limit: Limit<T>, unbounded: T) -> Option<T> {
    match limit {
        Limit::Default => None,
        Limit::Unbounded => Some(unbounded),
        Limit::AtMost(number) => Some(number),
    }
}
