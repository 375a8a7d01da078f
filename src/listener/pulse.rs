//! Whether a connection gets on: what it read, wrote and was asked, and the verdict over it.
//!
//! [`Pulse`] is written by whatever handles the connection and read once a tick by [`Watch`],
//! which says when the peer is too slow. Neither knows a clock or a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::limits::{
    HEAD_TICKS_MAX, IDLE_TICKS_MAX, PROGRESS_BYTES_MIN, RESETS_MAX, STALL_TICKS_MAX,
};

/// Why a peer is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CutOff {
    /// A request's head did not come in time.
    Head,
    /// The peer took too little of what it had asked for.
    Stalled,
    /// The peer cancelled requests faster than any player does.
    Resets,
}

/// What a look at a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It gets on.
    Fine,
    /// Nothing was asked for a while: to be closed in order.
    Idle,
    /// The peer is too slow.
    CutOff(CutOff),
}

/// What a connection did so far. All of it happens in the connection's own task, so that the
/// atomics are only there to share it: no order between them is needed.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    /// `read_bytes` when the last request's head was whole.
    head_end_bytes: AtomicU64,
    /// The socket would not take what there is to send.
    is_blocked: AtomicBool,
    /// Requests so far.
    requests: AtomicU32,
    /// Requests whose answers are not over.
    open: AtomicU32,
    /// Requests that the peer cancelled.
    resets: AtomicU32,
}

impl Pulse {
    pub(super) fn read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The socket is full.
    pub(super) fn blocked(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
    }

    /// All that there was to send is in the socket.
    pub(super) fn flushed(&self) {
        self.is_blocked.store(false, Ordering::Relaxed);
    }

    /// The peer cancelled a request.
    pub(super) fn reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    /// A request's head is whole; its answer is over when what is returned is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Exchange {
        let read = self.read_bytes.load(Ordering::Relaxed);
        self.head_end_bytes.store(read, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Exchange(Arc::clone(self))
    }
}

/// A request until the end of its answer.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Pulse>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For a first byte of a request.
    Idle,
    /// For the rest of a head.
    Head,
    /// For this server, or for the peer to take its answer.
    Busy,
}

/// What bytes between two requests say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bytes {
    /// That a head has begun: HTTP/1.1.
    Heads,
    /// Nothing: HTTP/2 acknowledges settings, opens windows, pings.
    Anything,
}

/// Looks at a [`Pulse`] once a tick.
#[derive(Debug)]
pub(super) struct Watch {
    bytes_are: Bytes,
    waits: Waits,
    /// For how many ticks it has.
    waited_ticks: u32,
    requests: u32,
    resets: u32,
    /// For how many ticks too little was taken, and the count at their beginning.
    stalled_ticks: u32,
    written_bytes: u64,
}

impl Watch {
    /// Begins with a connection.
    pub(super) fn new(bytes_are: Bytes) -> Self {
        Self {
            bytes_are,
            waits: Waits::Head,
            waited_ticks: 0,
            requests: 0,
            resets: 0,
            stalled_ticks: 0,
            written_bytes: 0,
        }
    }

    /// The verdict at the end of a tick.
    pub(super) fn tick(&mut self, pulse: &Pulse) -> Verdict {
        if self.has_stalled(pulse) {
            return Verdict::CutOff(CutOff::Stalled);
        }
        let resets = pulse.resets.load(Ordering::Relaxed);
        if resets.wrapping_sub(std::mem::replace(&mut self.resets, resets)) > RESETS_MAX {
            return Verdict::CutOff(CutOff::Resets);
        }
        self.waiting(pulse)
    }

    fn has_stalled(&mut self, pulse: &Pulse) -> bool {
        let written = pulse.written_bytes.load(Ordering::Relaxed);
        let is_blocked = pulse.is_blocked.load(Ordering::Relaxed);
        if !is_blocked || written - self.written_bytes >= PROGRESS_BYTES_MIN {
            self.written_bytes = written;
            self.stalled_ticks = 0;
            return false;
        }
        self.stalled_ticks += 1;
        self.stalled_ticks > STALL_TICKS_MAX
    }

    fn waiting(&mut self, pulse: &Pulse) -> Verdict {
        let requests = pulse.requests.load(Ordering::Relaxed);
        let read = pulse.read_bytes.load(Ordering::Relaxed);
        let has_begun =
            self.bytes_are == Bytes::Heads && read > pulse.head_end_bytes.load(Ordering::Relaxed);
        // An answer may be over and still lie before a full socket.
        let is_answered =
            pulse.open.load(Ordering::Relaxed) == 0 && !pulse.is_blocked.load(Ordering::Relaxed);
        let waits = if !is_answered {
            Waits::Busy
        } else if has_begun || requests == 0 {
            Waits::Head
        } else {
            Waits::Idle
        };
        if waits == self.waits && requests == self.requests {
            self.waited_ticks += 1;
        } else {
            self.waited_ticks = 0;
        }
        (self.waits, self.requests) = (waits, requests);
        match waits {
            Waits::Head if self.waited_ticks >= HEAD_TICKS_MAX => Verdict::CutOff(CutOff::Head),
            Waits::Idle if self.waited_ticks >= IDLE_TICKS_MAX => Verdict::Idle,
            _ => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks until the verdict is not [`Verdict::Fine`], with `each` before every one.
    fn judge(pulse: &Pulse, watch: &mut Watch, mut each: impl FnMut()) -> Option<(u32, Verdict)> {
        for tick in 1..=100 {
            each();
            let verdict = watch.tick(pulse);
            if verdict != Verdict::Fine {
                return Some((tick, verdict));
            }
        }
        None
    }

    fn asked() -> (Arc<Pulse>, Watch) {
        let pulse = Arc::new(Pulse::default());
        pulse.read(300);
        drop(pulse.request());
        (pulse, Watch::new(Bytes::Heads))
    }

    #[test]
    fn a_peer_that_sends_nothing_or_a_head_byte_by_byte_is_cut_off() {
        for bytes in [0, 1] {
            let pulse = Pulse::default();
            let end = judge(&pulse, &mut Watch::new(Bytes::Heads), || pulse.read(bytes));
            let head = Verdict::CutOff(CutOff::Head);
            assert_eq!(end, Some((HEAD_TICKS_MAX, head)), "{bytes}");
        }
    }

    #[test]
    fn a_second_head_that_trickles_has_its_own_time_and_no_more() {
        let (pulse, mut watch) = asked();
        for _ in 0..IDLE_TICKS_MAX {
            assert_eq!(watch.tick(&pulse), Verdict::Fine);
        }
        let end = judge(&pulse, &mut watch, || pulse.read(1));
        assert_eq!(
            end,
            Some((HEAD_TICKS_MAX + 1, Verdict::CutOff(CutOff::Head)))
        );
    }

    #[test]
    fn frames_of_http2_between_requests_are_no_head() {
        let (pulse, _) = asked();
        let mut watch = Watch::new(Bytes::Anything);
        let end = judge(&pulse, &mut watch, || pulse.read(17));
        assert_eq!(end, Some((IDLE_TICKS_MAX + 1, Verdict::Idle)));
    }

    #[test]
    fn a_peer_that_asks_nothing_more_is_idle_and_one_that_asks_is_not() {
        let (pulse, mut watch) = asked();
        let end = judge(&pulse, &mut watch, || ());
        assert_eq!(end, Some((IDLE_TICKS_MAX + 1, Verdict::Idle)));
        let (pulse, mut watch) = asked();
        let mut tick = 0;
        let end = judge(&pulse, &mut watch, || {
            tick += 1;
            if tick % IDLE_TICKS_MAX == 0 {
                pulse.read(300);
                drop(pulse.request());
            }
        });
        assert_eq!(end, None);
    }

    #[test]
    fn whoever_waits_for_its_answer_may_wait() {
        let (pulse, mut watch) = asked();
        let open = pulse.request();
        assert_eq!(judge(&pulse, &mut watch, || ()), None);
        drop(open);
    }

    #[test]
    fn a_reader_that_takes_too_little_is_cut_off_and_one_that_takes_enough_is_not() {
        let stalled = Some((STALL_TICKS_MAX + 1, Verdict::CutOff(CutOff::Stalled)));
        let enough = PROGRESS_BYTES_MIN.div_ceil(u64::from(STALL_TICKS_MAX));
        for (bytes_a_tick, expected) in [(0, stalled), (5, stalled), (enough, None)] {
            let (pulse, mut watch) = asked();
            let end = judge(&pulse, &mut watch, || {
                pulse.wrote(usize::try_from(bytes_a_tick).expect("small"));
                pulse.blocked();
            });
            assert_eq!(end, expected, "{bytes_a_tick} bytes a tick");
        }
    }

    #[test]
    fn a_reader_that_took_all_has_not_stalled_however_little_it_was() {
        let (pulse, mut watch) = asked();
        let open = pulse.request();
        let mut tick = 0;
        let end = judge(&pulse, &mut watch, || {
            pulse.blocked();
            tick += 1;
            if tick % STALL_TICKS_MAX == 0 {
                pulse.flushed();
            }
        });
        assert_eq!(end, None);
        drop(open);
    }

    #[test]
    fn many_cancelled_requests_in_a_tick_are_an_attack_and_many_over_time_are_not() {
        let (pulse, mut watch) = asked();
        let open = pulse.request();
        let resets = |count| (0..count).for_each(|_| pulse.reset());
        assert_eq!(judge(&pulse, &mut watch, || resets(RESETS_MAX)), None);
        let end = judge(&pulse, &mut watch, || resets(RESETS_MAX + 1));
        assert_eq!(end, Some((1, Verdict::CutOff(CutOff::Resets))));
        drop(open);
    }
}
