//! systemd, where it started the server (`Type=notify`): that it is ready, what it does, that it
//! stops, and signs of life for the watchdog (sd_notify(3), `sd_watchdog_enabled(3)`).
//!
//! A sign of life is given only where the server works. A task of the runtime asks for it, so that a
//! runtime that hangs says nothing; what else has to move, [`signs`] judges.

mod notifier;
mod signs;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use crate::supervisor::Supervisor;

use self::notifier::Notifier;
use self::signs::{Judge, Signs};

/// How often the status is told, at least.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// How many looks there are in the time after which the watchdog strikes.
const LOOKS: u32 = 4;

/// See the module.
pub(crate) struct Systemd {
    /// `None`: nobody listens.
    notifier: Option<Arc<Notifier>>,
    watchdog: Option<Duration>,
    stopping: watch::Sender<bool>,
}

/// Whose life it is.
pub(crate) struct Subject {
    pub(crate) supervisor: Supervisor,
    /// Of the SRT port's thread.
    pub(crate) srt_turns: Arc<AtomicU64>,
    /// The accept loops.
    pub(crate) listeners: Vec<AbortHandle>,
}

impl Systemd {
    /// By the variables that systemd sets.
    pub(crate) fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name);
        let notifier = variable("NOTIFY_SOCKET").and_then(|socket| {
            let notifier = Notifier::to(&socket);
            let notifier = notifier.inspect_err(
                |error| tracing::warn!(%error, ?socket, "systemd cannot be told anything"),
            );
            notifier.ok().map(Arc::new)
        });
        let (limit, process) = (variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        Self {
            watchdog: watchdog(limit.as_deref(), process.as_deref(), std::process::id()),
            notifier,
            stopping: watch::Sender::new(false),
        }
    }

    /// Says that the ports are bound, and from now on how it goes.
    pub(crate) fn ready(&self, subject: Subject) {
        let Some(notifier) = &self.notifier else {
            return;
        };
        notifier.say("READY=1");
        let stopping = self.stopping.subscribe();
        tokio::spawn(tell(Arc::clone(notifier), self.watchdog, subject, stopping));
    }

    /// Says that the server stops. Signs of life are given without a look from now on: stopping has
    /// a limit of its own.
    pub(crate) fn stopping(&self) {
        if let Some(notifier) = &self.notifier {
            notifier.say("STOPPING=1");
        }
        self.stopping.send_replace(true);
    }
}

async fn tell(
    notifier: Arc<Notifier>,
    watchdog: Option<Duration>,
    subject: Subject,
    stopping: watch::Receiver<bool>,
) {
    let every = watchdog.map_or(STATUS_EVERY, |limit| STATUS_EVERY.min(limit / LOOKS));
    let mut judge = watchdog.map(|limit| Judge::new(limit / 2));
    let mut asking = Asking::default();
    loop {
        tokio::time::sleep(every).await;
        if *stopping.borrow() {
            notifier.say("WATCHDOG=1");
            continue;
        }
        if let Some(status) = asking.look(&subject.supervisor).await {
            notifier.say(&format!("STATUS={status}"));
        }
        let Some(judge) = &mut judge else {
            continue;
        };
        let signs = Signs {
            srt_turns: subject.srt_turns.load(Ordering::Relaxed),
            supervisor_answers: asking.answers,
            is_listening: !subject.listeners.iter().any(AbortHandle::is_finished),
        };
        match judge.wedged(signs, Instant::now()) {
            None => notifier.say("WATCHDOG=1"),
            Some(part) => tracing::error!(part, "no sign of life: systemd's watchdog is not fed"),
        }
    }
}

/// A question to the supervisor, which answers under its lock: asked on a thread that may hang, one
/// at a time.
#[derive(Default)]
struct Asking {
    under_way: Option<JoinHandle<String>>,
    answers: u64,
}

impl Asking {
    /// Takes the answer to the question before, and asks anew.
    async fn look(&mut self, supervisor: &Supervisor) -> Option<String> {
        let answer = match self.under_way.take() {
            Some(asked) if !asked.is_finished() => {
                self.under_way = Some(asked);
                return None;
            }
            Some(asked) => asked.await.ok(),
            None => None,
        };
        self.answers += u64::from(answer.is_some());
        let supervisor = supervisor.clone();
        self.under_way = Some(tokio::task::spawn_blocking(move || status(&supervisor)));
        answer
    }
}

fn status(supervisor: &Supervisor) -> String {
    let figures = supervisor.figures();
    let windows = figures.iter().filter_map(|of| of.window.as_ref());
    let viewers: usize = windows.map(|window| window.viewers_now() as usize).sum();
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let broadcasts = counted(figures.len(), "broadcast");
    format!("{broadcasts}, {}", counted(viewers, "viewer"))
}

/// After how long without a sign of life systemd ends this process, where it does.
fn watchdog(
    limit_us: Option<&std::ffi::OsStr>,
    process: Option<&std::ffi::OsStr>,
    own: u32,
) -> Option<Duration> {
    let number = |text: &std::ffi::OsStr| text.to_str()?.parse::<u64>().ok();
    // The variables are inherited: of a parent they may be.
    if process.is_some_and(|process| number(process) != Some(own.into())) {
        return None;
    }
    let limit = Duration::from_micros(number(limit_us?)?);
    (!limit.is_zero()).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_where_it_watches_this_process() {
        let of = |limit: Option<&str>, process: Option<&str>| {
            watchdog(limit.map(AsRef::as_ref), process.map(AsRef::as_ref), 7)
        };
        let half_a_minute = Some(Duration::from_secs(30));
        assert_eq!(of(Some("30000000"), Some("7")), half_a_minute);
        assert_eq!(of(Some("30000000"), None), half_a_minute);
        for (limit, process) in [
            (Some("30000000"), Some("8")),
            (Some("30000000"), Some("")),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("half a minute"), None),
            (None, None),
        ] {
            assert_eq!(of(limit, process), None, "{limit:?} {process:?}");
        }
    }
}
