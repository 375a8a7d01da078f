//! Who comes in: limits first, then the key.
//!
//! [`Door::admit`] runs on libsrt's receiving thread, which serves every connection of the port:
//! it takes short locks, asks [`Gate::check`] (a look-up in memory) and writes no log. What it
//! refused, the listener's thread logs later from [`Door::take_refusals`]. Pure but for the lock:
//! time is an argument.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use media_core::StreamId;

use super::bans::Bans;
use super::filter::{self, Instruction};
use super::rate::{Allowance, HandshakeRate, source_of};
use super::sys::{Handshake, SocketId, Verdict};
use super::{Config, streamid};
use crate::gate::{Claims, Gate, Refusal};

/// Refusals kept for the log between two looks at them (a tenth of a second); more are only
/// counted.
const REFUSALS_MAX: usize = 64;
/// After this an admitted caller that was never accepted has failed the rest of its handshake,
/// which libsrt finishes right after admission.
const ADMITTED_MAX: Duration = Duration::from_secs(1);
/// The handshake that carries a Stream ID.
const HANDSHAKE_VERSION: i32 = 5;

/// Why a caller was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("too many handshakes from this address")]
    Rate,
    #[error("too many callers")]
    Callers,
    #[error("too many callers from this address")]
    CallersOfAddress,
    #[error("the caller's SRT is older than 1.3.0 and sends no streamid")]
    Version,
    #[error(transparent)]
    StreamId(#[from] streamid::Error),
    #[error(transparent)]
    Gate(#[from] Refusal),
    #[error("the passphrase is wrong, missing, or given where the stream has none")]
    Passphrase,
}

impl Reason {
    /// The code that the caller sees (`SRT_REJX_…`, access_control.h: 1000 + an HTTP status).
    fn code(self) -> i32 {
        match self {
            Self::Rate | Self::Callers | Self::CallersOfAddress => 1402,
            Self::Version => 1505,
            Self::StreamId(streamid::Error::NotPublish | streamid::Error::UnknownMode) => 1405,
            Self::StreamId(streamid::Error::NotStream) => 1415,
            Self::StreamId(_) => 1400,
            Self::Gate(Refusal::UnknownKey | Refusal::SameKey | Refusal::Address) => 1401,
            Self::Passphrase | Self::Gate(Refusal::Vetoed | Refusal::Kicked | Refusal::Banned) => {
                1403
            }
            Self::Gate(Refusal::AlreadyLive) => 1409,
            Self::Gate(Refusal::Full | Refusal::Overloaded) => 1402,
            Self::Gate(Refusal::ShuttingDown | Refusal::Unanswered) => 1503,
        }
    }
}

/// A caller that was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) peer: SocketAddr,
    pub(super) reason: Reason,
}

/// A caller that may finish its handshake.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    pub(super) peer: SocketAddr,
    pub(super) stream: StreamId,
    pub(super) claims: Claims,
    at: Duration,
}

/// Puts a filter before libsrt, or none where that is empty, and says whether it could. Called under the door's lock, so that
/// filters keep their order.
pub(super) type SetFilter = dyn Fn(&[Instruction]) -> bool + Send + Sync;

/// Whose handshakes are dropped unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) sources: usize,
    pub(super) everybody: bool,
    /// Whether the system took the filter; else they are refused one by one.
    pub(super) installed: bool,
}

pub(super) struct Door {
    gate: Arc<dyn Gate>,
    set_filter: Box<SetFilter>,
    callers_max: usize,
    callers_per_address_max: usize,
    state: Mutex<State>,
}

struct State {
    rate: HandshakeRate,
    bans: Bans,
    /// Admitted, not yet accepted.
    admitted: HashMap<SocketId, Admitted>,
    /// Admitted and accepted callers by source.
    callers: HashMap<IpAddr, usize>,
    /// Their sockets: what is for no other comes no further than the kernel.
    sockets: HashSet<SocketId>,
    refused: Vec<Refused>,
    refused_unlogged: u64,
    filter_installed: bool,
    /// What was last said of it.
    dropped_logged: Dropped,
}

impl State {
    fn note(&mut self, peer: SocketAddr, reason: Reason) {
        if self.refused.len() < REFUSALS_MAX {
            self.refused.push(Refused { peer, reason });
        } else {
            self.refused_unlogged += 1;
        }
    }

    fn left(&mut self, socket: SocketId, peer: SocketAddr) {
        self.sockets.remove(&socket);
        let source = source_of(peer.ip());
        if let Some(count) = self.callers.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.callers.remove(&source);
            }
        }
    }
}

impl Door {
    /// From here on the filter is in place.
    pub(super) fn new(gate: Arc<dyn Gate>, config: &Config, set_filter: Box<SetFilter>) -> Self {
        let door = Self {
            gate,
            set_filter,
            callers_max: config.callers_max,
            callers_per_address_max: config.callers_per_address_max,
            state: Mutex::new(State {
                rate: HandshakeRate::new(config.handshake_burst, config.handshakes_per_second),
                bans: Bans::new(),
                admitted: HashMap::new(),
                callers: HashMap::new(),
                sockets: HashSet::new(),
                refused: Vec::new(),
                refused_unlogged: 0,
                filter_installed: true,
                dropped_logged: Dropped {
                    sources: 0,
                    everybody: false,
                    installed: true,
                },
            }),
        };
        door.install_filter(&mut door.state());
        door
    }

    /// Puts the filter for those who are connected and banned now before libsrt.
    fn install_filter(&self, state: &mut State) {
        let sockets: Vec<SocketId> = state.sockets.iter().copied().collect();
        let program = filter::program(&sockets, &state.bans.banned());
        state.filter_installed = (self.set_filter)(&program);
        if !state.filter_installed {
            // The one before it would drop a connection that it does not know.
            (self.set_filter)(&[]);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held but for want of memory, and each change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on a caller at `now` (since any fixed point).
    pub(super) fn admit(&self, handshake: &Handshake<'_>, now: Duration) -> Verdict {
        let peer = handshake.peer;
        {
            let mut state = self.state();
            let allowance = state.rate.take(peer.ip(), now);
            if state.bans.note(peer.ip(), allowance, now) {
                self.install_filter(&mut state);
            }
            if let Allowance::Exceeded { nth } = allowance {
                // A flood is one line of the log.
                if nth == 1 {
                    state.note(peer, Reason::Rate);
                } else {
                    state.refused_unlogged += 1;
                }
                return Verdict::Reject(Reason::Rate.code());
            }
        }
        self.look_up(handshake, now).unwrap_or_else(|reason| {
            if !matches!(reason, Reason::Gate(refusal) if refusal.is_known()) {
                self.state().note(peer, reason);
            }
            Verdict::Reject(reason.code())
        })
    }

    fn look_up(&self, handshake: &Handshake<'_>, now: Duration) -> Result<Verdict, Reason> {
        let source = source_of(handshake.peer.ip());
        {
            let state = self.state();
            if state.callers.values().sum::<usize>() >= self.callers_max {
                return Err(Reason::Callers);
            }
            if state.callers.get(&source).copied().unwrap_or(0) >= self.callers_per_address_max {
                return Err(Reason::CallersOfAddress);
            }
        }
        if handshake.version < HANDSHAKE_VERSION {
            return Err(Reason::Version);
        }
        let name = streamid::parse(handshake.stream_id)?;
        let admission = self.gate.check(&name.key, handshake.peer.ip())?;
        let mut state = self.state();
        *state.callers.entry(source).or_insert(0) += 1;
        state.admitted.insert(
            handshake.socket,
            Admitted {
                peer: handshake.peer,
                stream: admission.stream,
                claims: name.claims,
                at: now,
            },
        );
        state.sockets.insert(handshake.socket);
        // It hears of its socket when this has returned, and sends then.
        self.install_filter(&mut state);
        Ok(Verdict::Admit(admission.srt_passphrase))
    }

    /// What was admitted for `socket`, which has now been accepted. Its caller still counts,
    /// until [`Self::left`].
    pub(super) fn take_admitted(&self, socket: SocketId) -> Option<Admitted> {
        self.state().admitted.remove(&socket)
    }

    /// An accepted caller, whose was `socket`, has gone.
    pub(super) fn left(&self, socket: SocketId, peer: SocketAddr) {
        let mut state = self.state();
        state.left(socket, peer);
        self.install_filter(&mut state);
    }

    /// Turns away by `reason` a caller that had been accepted.
    pub(super) fn refuse(&self, peer: SocketAddr, reason: Reason) {
        self.state().note(peer, reason);
    }

    /// Lets in again whose ban is over. Who is dropped, where that has changed since the last call.
    pub(super) fn expire_bans(&self, now: Duration) -> Option<Dropped> {
        let mut state = self.state();
        let changed = state.bans.expire(now);
        if changed {
            self.install_filter(&mut state);
        }
        let (sources, everybody) = state.bans.extent();
        let dropped = Dropped {
            sources,
            everybody,
            installed: state.filter_installed,
        };
        (std::mem::replace(&mut state.dropped_logged, dropped) != dropped).then_some(dropped)
    }

    /// Who was turned away since the last call, and how many more there were.
    pub(super) fn take_refusals(&self, now: Duration) -> (Vec<Refused>, u64) {
        let mut state = self.state();
        let failed: Vec<(SocketId, Admitted)> = state
            .admitted
            .extract_if(|_, admitted| now.saturating_sub(admitted.at) > ADMITTED_MAX)
            .collect();
        for (socket, Admitted { peer, .. }) in &failed {
            state.left(*socket, *peer);
            state.note(*peer, Reason::Passphrase);
        }
        if !failed.is_empty() {
            self.install_filter(&mut state);
        }
        (
            std::mem::take(&mut state.refused),
            std::mem::take(&mut state.refused_unlogged),
        )
    }
}

#[cfg(test)]
mod tests {
    use media_core::StreamId;

    use super::*;
    use crate::gate::{Admission, MediaSink, Publisher, StreamKey};

    /// Knows the key `open`.
    struct OneKey;

    impl Gate for OneKey {
        fn check(&self, key: &StreamKey, _: IpAddr) -> Result<Admission, Refusal> {
            match key.reveal() {
                "open" => Ok(Admission {
                    stream: StreamId::new("open").expect("an id"),
                    srt_passphrase: None,
                }),
                "live" => Err(Refusal::AlreadyLive),
                "full" => Err(Refusal::Full),
                "overloaded" => Err(Refusal::Overloaded),
                "late" => Err(Refusal::ShuttingDown),
                _ => Err(Refusal::UnknownKey),
            }
        }

        fn publish(&self, _: &StreamId, _: Publisher) -> Result<Box<dyn MediaSink>, Refusal> {
            Err(Refusal::AlreadyLive)
        }
    }

    fn door(config: Config) -> Door {
        Door::new(Arc::new(OneKey), &config, Box::new(|_| true))
    }

    fn knock(door: &Door, socket: i32, port: u16, stream_id: &str, now: Duration) -> i32 {
        let handshake = Handshake {
            socket: SocketId::from_raw(socket),
            version: HANDSHAKE_VERSION,
            peer: SocketAddr::from(([192, 0, 2, 1], port)),
            stream_id: stream_id.as_bytes(),
        };
        match door.admit(&handshake, now) {
            Verdict::Admit(_) => 0,
            Verdict::Reject(code) => code,
        }
    }

    #[test]
    fn each_reason_has_its_code() {
        let door = door(Config::default());
        for (stream_id, code) in [
            ("open", 0),
            ("guess", 1401),
            ("live", 1409),
            ("full", 1402),
            ("overloaded", 1402),
            ("late", 1503),
            ("read:open", 1405),
            ("#!::m=publish,t=file,r=open", 1415),
            ("", 1400),
        ] {
            assert_eq!(
                knock(&door, 1, 1, stream_id, Duration::ZERO),
                code,
                "{stream_id}"
            );
        }
        let (refused, unlogged) = door.take_refusals(Duration::ZERO);
        assert_eq!((refused.len(), unlogged), (8, 0));
        let old = Handshake {
            socket: SocketId::from_raw(2),
            version: 4,
            peer: SocketAddr::from(([192, 0, 2, 1], 1)),
            stream_id: b"",
        };
        assert!(matches!(
            door.admit(&old, Duration::ZERO),
            Verdict::Reject(1505)
        ));
    }

    #[test]
    fn a_caller_that_never_arrives_gives_its_place_back_and_is_logged() {
        let door = door(Config {
            callers_max: 1,
            ..Config::default()
        });
        let second = Duration::from_secs(1);
        assert_eq!(knock(&door, 1, 1, "open", Duration::ZERO), 0);
        assert_eq!(knock(&door, 2, 2, "open", second), 1402);
        assert_eq!(door.take_refusals(second).0.len(), 1);
        let (refused, _) = door.take_refusals(second * 2);
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].reason, Reason::Passphrase);
        assert!(door.take_admitted(SocketId::from_raw(1)).is_none());
        assert_eq!(knock(&door, 3, 3, "open", second * 2), 0);
        assert!(door.take_admitted(SocketId::from_raw(3)).is_some());
        // Accepted: the place is taken until it has left.
        assert!(door.take_refusals(second * 9).0.is_empty());
        assert_eq!(knock(&door, 4, 4, "open", second * 9), 1402);
        door.left(SocketId::from_raw(3), SocketAddr::from(([192, 0, 2, 1], 3)));
        assert_eq!(knock(&door, 5, 5, "open", second * 9), 0);
    }

    /// What is for its socket comes through before the caller hears which one it is, and no longer than
    /// it is there.
    #[test]
    fn packets_of_a_caller_come_through_from_its_admission_to_its_end() {
        let installed = Arc::new(Mutex::new(Vec::new()));
        let set = {
            let installed = Arc::clone(&installed);
            move |program: &[Instruction]| {
                *installed.lock().expect("no panic") = program.to_vec();
                true
            }
        };
        let door = Door::new(Arc::new(OneKey), &Config::default(), Box::new(set));
        let lets_in = |sockets: &[i32]| {
            let sockets: Vec<_> = sockets.iter().copied().map(SocketId::from_raw).collect();
            let expected = filter::program(&sockets, &Bans::new().banned());
            *installed.lock().expect("no panic") == expected
        };
        assert!(lets_in(&[]), "from the start");
        assert_eq!(knock(&door, 1, 1, "guess", Duration::ZERO), 1401);
        assert!(lets_in(&[]));
        assert_eq!(knock(&door, 5, 5, "open", Duration::ZERO), 0);
        assert!(lets_in(&[5]));
        assert!(door.take_admitted(SocketId::from_raw(5)).is_some());
        assert!(lets_in(&[5]));
        door.left(SocketId::from_raw(5), SocketAddr::from(([192, 0, 2, 1], 5)));
        assert!(lets_in(&[]));
        assert_eq!(knock(&door, 6, 6, "open", Duration::ZERO), 0);
        door.take_refusals(ADMITTED_MAX * 2);
        assert!(lets_in(&[]), "it never arrived");
    }

    #[test]
    fn where_the_system_takes_no_filter_there_is_none_that_would_drop_a_caller() {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let set = {
            let calls = Arc::clone(&calls);
            move |program: &[Instruction]| {
                calls.lock().expect("no panic").push(program.is_empty());
                program.is_empty()
            }
        };
        let door = Door::new(Arc::new(OneKey), &Config::default(), Box::new(set));
        assert_eq!(knock(&door, 5, 5, "open", Duration::ZERO), 0);
        assert_eq!(*calls.lock().expect("no panic"), [false, true, false, true]);
        let dropped = door.expire_bans(Duration::ZERO).expect("worth a line");
        assert!(!dropped.installed);
    }

    #[test]
    fn a_flood_of_refusals_keeps_the_log_short() {
        let patient = door(Config {
            handshake_burst: 10_000,
            ..Config::default()
        });
        for socket in 0..1000 {
            assert_eq!(knock(&patient, socket, 1, "guess", Duration::ZERO), 1401);
        }
        let (refused, unlogged) = patient.take_refusals(Duration::ZERO);
        assert_eq!(
            (refused.len(), unlogged),
            (REFUSALS_MAX, 1000 - REFUSALS_MAX as u64)
        );

        let strict = door(Config {
            handshake_burst: 2,
            ..Config::default()
        });
        for socket in 0..1000 {
            knock(&strict, socket, 1, "guess", Duration::ZERO);
        }
        let (refused, unlogged) = strict.take_refusals(Duration::ZERO);
        let reasons: Vec<Reason> = refused.iter().map(|one| one.reason).collect();
        let wrong = Reason::Gate(Refusal::UnknownKey);
        assert_eq!((reasons, unlogged), (vec![wrong, wrong, Reason::Rate], 997));
    }
}
