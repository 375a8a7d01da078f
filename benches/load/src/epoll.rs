//! Readiness of sockets, edge by edge.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// Events taken at a time.
const EVENTS_MAX: usize = 1024;

/// A set of sockets, each with a number of the caller's.
pub(crate) struct Epoll {
    descriptor: OwnedFd,
    ready: Vec<u64>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            descriptor: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(EVENTS_MAX),
        })
    }

    /// Watches a socket for both directions until it is closed.
    pub(crate) fn add(&self, socket: impl AsFd, number: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        epoll::add(
            &self.descriptor,
            socket,
            epoll::EventData::new_u64(number),
            flags,
        )?;
        Ok(())
    }

    /// Waits for a change, at most so long, and gives the numbers of those that changed. The
    /// buffer is given back by `recycle`.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<u64>> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        let found = match epoll::wait(&self.descriptor, &mut events[..], timeout.as_ref()) {
            Ok((found, _)) => found,
            Err(rustix::io::Errno::INTR) => &mut [],
            Err(error) => return Err(error.into()),
        };
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(found.iter().map(|event| event.data.u64()));
        Ok(ready)
    }

    /// Takes the buffer that `wait` gave back.
    pub(crate) fn recycle(&mut self, mut ready: Vec<u64>) {
        ready.clear();
        self.ready = ready;
    }
}
