//! Bad networks for tests: proxies on 127.0.0.1 that lose, delay, reorder, double and hold up what
//! passes, as a seed says.
//!
//! [`udp`] stands before an SRT listener, [`tcp`] before RTMP. Both can be changed while they run,
//! by their handle or, in the program `netproxy`, by lines on standard input ([`command`]). Each
//! is one thread; everything that waits in it is bounded.
//!
//! Not here: congestion, losses in bursts, and TCP's own answers to a lost segment (a stall of the
//! line is what they look like from above).

pub mod command;
mod outages;
mod running;
pub mod tcp;
pub mod udp;

pub use outages::Outage;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often sockets and what is due are looked at: well below any jitter simulated.
const POLL: Duration = Duration::from_micros(500);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values, replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
