//! Programs that the tests run: encoders, players, and `millrace` itself.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program that runs longer than this hangs. No test lets one work for longer than 30 s.
const RUN_MAX: Duration = Duration::from_secs(120);

/// How often a condition is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running program. It is killed where the test ends before it.
pub(crate) struct Program {
    name: String,
    child: Child,
    said: Option<thread::JoinHandle<String>>,
}

impl Program {
    /// Starts `command`; what it writes to standard error is kept.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child =
            child.unwrap_or_else(|error| panic!("{name} does not start ({error}): see make test"));
        let mut stderr = child.stderr.take().expect("piped");
        let said = thread::spawn(move || {
            let mut bytes = Vec::new();
            // A killed program's pipe ends like any other.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self {
            name,
            child,
            said: Some(said),
        }
    }

    /// Waits for its end; whether it was content, and what it said.
    pub(crate) fn wait(&mut self) -> (bool, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < RUN_MAX, "{} does not end", self.name);
            thread::sleep(LOOK_EVERY);
        };
        let said = self.said.take().map(|said| said.join().expect("no panic"));
        (status.success(), said.unwrap_or_default())
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn finish(mut self) {
        let (content, said) = self.wait();
        assert!(content, "{} failed: {said}", self.name);
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as ^C does.
    pub(crate) fn interrupt(&self) {
        signal(self.child.id(), "-INT");
    }

    /// Kills it: no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(pid: u32, signal: &str) {
    let done = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(done.expect("kill is everywhere").success());
}

/// Runs a short-lived program to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name} does not start ({error}): see make test"))
}

/// Waits for `condition`; `what` is said where it does not come.
pub(crate) fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_at_most(Duration::from_secs(30), what, condition);
}

/// Waits for `condition` for a time that is part of the contract.
pub(crate) fn wait_at_most(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "waited in vain for {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// `ffmpeg` that says nothing but errors.
pub(crate) fn ffmpeg<I, S>(arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-v", "error"]);
    command.args(arguments);
    command
}
