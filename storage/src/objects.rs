//! Media as objects: in a folder of this machine by default, in any S3 by URL.
//!
//! A [`Store`] is a place with keys of the form `assets/{asset}/{file}`: ranges are read from it,
//! and URLs are made by which viewers read past this process ([`Playback`]). [`Uploads`] brings
//! local files there, also while they are still written; the local file is what an outage is
//! survived by. Which assets there are, and which of their files are uploaded, is the database's.
//!
//! design/0019-object-storage.md says why it is so.

mod backoff;
mod error;
mod follower;
mod http_client;
mod journal;
mod key;
mod multipart;
mod options;
mod parts;
mod place;
mod playback;
mod progress;
mod store;
mod uploads;

pub use backoff::Pace;
pub use error::Error;
pub use follower::GivenUp;
pub use http_client::Patience;
pub use journal::SUFFIX as JOURNAL_SUFFIX;
pub use key::{InvalidName, Key};
pub use options::Options;
pub use parts::FILE_BYTES_MAX;
pub use place::InvalidUrl;
pub use playback::{InvalidPlayback, Playback, Route};
pub use progress::{Figures, Status};
pub use store::{Entry, OpenError, READ_BYTES_MAX, SIGNED_URL_TTL_MAX, Store};
pub use uploads::{FILES_MAX, Growing, NotTaken, Outcome, Uploads};
