//! RTMP and RTMPS, publish only (Adobe, "RTMP Specification 1.0"; Veovera, "Enhanced RTMP v2").
//!
//! The core ([`session`] and what it stands on) is a state machine without socket or clock;
//! [`serve`] drives it over TCP or TLS. It plays nothing, relays nothing, and speaks neither
//! RTMPE, RTMPT nor AMF3. Every bound is in [`limits`].

pub mod amf0;
pub mod chunk;
mod command;
mod connection;
mod error;
pub mod flv;
mod handshake;
pub mod limits;
mod listener;
mod message;
pub mod name;
mod places;
mod refusals;
pub mod session;
mod tracks;
mod wire;

pub use error::{Error, Place, Wait};
pub use listener::{Limits, serve};
pub use name::{Arguments, Name};
pub use session::{Event, Session};
