//! Where media goes when it is recorded, and how it is played from there.

use std::str::FromStr;
use std::time::Duration;

use storage::objects::{Playback, SIGNED_URL_TTL_MAX};

use super::{Error, Reader};
use crate::recordings::ObjectsChoice;

/// A pebibyte.
const GIB_MAX: u64 = 1 << 20;

/// The shortest time that is enough for a player to begin.
const SIGNED_S_MIN: u64 = 60;

/// How viewers get at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Proxy,
    Signed,
    Cdn,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "proxy" => Ok(Self::Proxy),
            "signed" => Ok(Self::Signed),
            "cdn" => Ok(Self::Cdn),
            _ => Err("proxy, signed or cdn is expected".into()),
        }
    }
}

/// `None`: media stays in the data folder.
pub(super) fn read(values: &Reader) -> Result<Option<ObjectsChoice>, Error> {
    // Checked also where they are not used: a mistake is better found before.
    let way: Way = values.parsed("storage.playback")?;
    let cdn = values.checked("storage.cdn", Playback::cdn)?;
    let signed_s = values.whole(
        "storage.signed_s",
        SIGNED_S_MIN..=SIGNED_URL_TTL_MAX.as_secs(),
    )?;
    let keep_local_gib = values.whole("storage.keep_local_gib", 0..=GIB_MAX)?;
    let Some(url) = values.optional("storage.url") else {
        return match way {
            Way::Proxy => Ok(None),
            Way::Signed | Way::Cdn => values.required("storage.playback", |_| {
                Err("storage.url is not set: media is in the data folder, and played from there")
            }),
        };
    };
    let playback = match (way, cdn) {
        (Way::Proxy, _) => Playback::Proxy,
        (Way::Signed, _) => Playback::Signed {
            ttl: Duration::from_secs(signed_s),
        },
        (Way::Cdn, Some(cdn)) => cdn,
        (Way::Cdn, None) => {
            return values.required("storage.playback", |_| Err("storage.cdn is not set"));
        }
    };
    Ok(Some(ObjectsChoice {
        url: url.text.clone(),
        playback,
        keep_local_bytes: keep_local_gib << 30,
    }))
}
