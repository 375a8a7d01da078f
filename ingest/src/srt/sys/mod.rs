//! The part of libsrt's C API that the listener needs, behind safe wrappers.
//!
//! With [`crate::rtmp`]'s question to the system about a socket the one place with `unsafe` in this
//! workspace. It decides nothing: which options a listener has, who is admitted and when to read is
//! said by its callers. Sending, calling, rendezvous and bonding are not wrapped.
#![expect(
    unsafe_code,
    reason = "libsrt is a C library; every call into it is wrapped here and nowhere else"
)]

mod address;
mod ffi;
mod port;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libc::sockaddr;

use crate::gate::Passphrase;
pub(super) use port::UdpPort;

/// The largest message that a live-mode peer can send: an MTU of 1500 without IP, UDP and SRT
/// headers (`SRT_LIVE_MAX_PLSIZE`).
pub(super) const MESSAGE_BYTES_MAX: usize = 1456;

/// A call into libsrt that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {message} ({code})")]
pub(super) struct Error {
    call: &'static str,
    code: i32,
    message: String,
}

impl Error {
    /// The error that libsrt keeps for this thread.
    fn last(call: &'static str) -> Self {
        let mut system_code = 0;
        // SAFETY: a valid place for the system's error code.
        let code = unsafe { ffi::srt_getlasterror(&raw mut system_code) };
        // SAFETY: no conditions; the text stays valid until this thread's next call.
        let text = unsafe { ffi::srt_strerror(code, system_code) };
        // SAFETY: null or a C string of libsrt's, copied at once.
        let message = unsafe { text_of(text) };
        Self {
            call,
            code,
            message,
        }
    }
}

/// # Safety
/// `text` is null or a NUL-terminated string that lives through the call.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .trim()
        .to_owned()
}

fn checked(call: &'static str, result: c_int) -> Result<c_int, Error> {
    if result == ffi::ERROR {
        return Err(Error::last(call));
    }
    Ok(result)
}

/// Starts libsrt, once a process. It is cleaned up when the process exits, since another listener
/// may still need it; and by a handler of ours, since libsrt 1.5.1's own one has been seen to
/// destroy the condition variable that its collector thread still waits on, and to hang there.
pub(super) fn start() -> Result<(), Error> {
    static STARTED: OnceLock<Result<(), Error>> = OnceLock::new();
    STARTED
        .get_or_init(|| {
            // SAFETY: the handler needs no opaque value and lives as long as the process.
            let result = unsafe {
                ffi::srt_setlogflags(ffi::LOG_BARE);
                ffi::srt_setloglevel(ffi::LOG_WARNING);
                ffi::srt_setloghandler(std::ptr::null_mut(), log);
                ffi::srt_startup()
            };
            // SAFETY: the handler is a plain function. It was registered after libsrt's static
            // objects were made, so it runs before they are destroyed.
            let _no_room = unsafe { libc::atexit(clean_up) };
            checked("srt_startup", result).map(drop)
        })
        .clone()
}

extern "C" fn clean_up() {
    // SAFETY: called once, by exit(); it joins libsrt's threads.
    unsafe { ffi::srt_cleanup() };
}

/// libsrt's own words, for whoever hunts a fault of the network. They hold no Stream ID and no
/// passphrase at this level.
extern "C" fn log(
    _opaque: *mut c_void,
    _level: c_int,
    _file: *const c_char,
    _line: c_int,
    area: *const c_char,
    message: *const c_char,
) {
    // A panic (of a tracing subscriber) must not unwind into C.
    let _ = catch_unwind(|| {
        if tracing::enabled!(tracing::Level::DEBUG) {
            // SAFETY: libsrt hands over C strings that live through the call.
            let (area, message) = unsafe { (text_of(area), text_of(message)) };
            tracing::debug!(area, "libsrt: {message}");
        }
    });
}

/// Names a socket. Never reused while the process could still mean the old one: libsrt counts
/// down from a random start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SocketId(ffi::SrtSocket);

impl SocketId {
    /// As a packet's header names it (draft-sharabayko-srt-01 §3).
    pub(super) fn bits(self) -> u32 {
        self.0.cast_unsigned()
    }
}

#[cfg(test)]
impl SocketId {
    /// A name for tests of what never meets libsrt.
    pub(super) fn from_raw(socket: i32) -> Self {
        Self(socket)
    }
}

/// A socket, closed on drop.
pub(super) struct Socket(SocketId);

/// What reading yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// One message of this many bytes.
    Message(usize),
    /// No message is due at the moment.
    Nothing,
    /// The connection is broken and no message is due at the moment.
    Broken,
}

/// Packets of a connection since it began, and how long their round trip is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// Received, retransmissions included.
    pub(super) received: u64,
    /// Seen missing, most of them recovered.
    pub(super) lost: u64,
    /// Received a second time, or late on request.
    pub(super) retransmitted: u64,
    /// Missing for good: too late to be played.
    pub(super) dropped: u64,
    /// Not decryptable.
    pub(super) undecryptable: u64,
    /// Smoothed. 100 ms until it has been measured.
    pub(super) rtt: Duration,
}

impl Socket {
    fn new() -> Result<Self, Error> {
        // SAFETY: no conditions.
        let socket = checked("srt_create_socket", unsafe { ffi::srt_create_socket() })?;
        Ok(Self(SocketId(socket)))
    }

    pub(super) fn id(&self) -> SocketId {
        self.0
    }

    fn set(&self, name: &'static str, option: c_int, value: i32) -> Result<(), Error> {
        // SAFETY: the value is an int, which every option set so takes, and is copied.
        let result = unsafe {
            ffi::srt_setsockflag(
                self.0.0,
                option,
                (&raw const value).cast(),
                size_of::<i32>() as c_int,
            )
        };
        checked(name, result).map(drop)
    }

    /// The latency agreed with the peer: the larger of both wishes.
    pub(super) fn receive_latency(&self) -> Result<Duration, Error> {
        let mut value_ms = 0i32;
        let mut bytes = size_of::<i32>() as c_int;
        // SAFETY: SRTO_RCVLATENCY writes one int.
        let result = unsafe {
            ffi::srt_getsockflag(
                self.0.0,
                ffi::SRTO_RCVLATENCY,
                (&raw mut value_ms).cast(),
                &raw mut bytes,
            )
        };
        checked("SRTO_RCVLATENCY", result)?;
        Ok(Duration::from_millis(u64::try_from(value_ms).unwrap_or(0)))
    }

    /// Reads one message without waiting. `buffer` has at least [`MESSAGE_BYTES_MAX`] bytes, or
    /// libsrt takes the socket for broken.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Received {
        let room = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: libsrt writes at most `room` bytes.
        let result = unsafe { ffi::srt_recvmsg(self.0.0, buffer.as_mut_ptr().cast(), room) };
        match usize::try_from(result) {
            Ok(0) => Received::Nothing,
            Ok(bytes) => Received::Message(bytes),
            // SAFETY: null is allowed where the system's code is not wanted.
            Err(_) => match unsafe { ffi::srt_getlasterror(std::ptr::null_mut()) } {
                ffi::EASYNCRCV => Received::Nothing,
                _ => Received::Broken,
            },
        }
    }

    /// Whether the connection has ended, by either side or by silence.
    pub(super) fn is_broken(&self) -> bool {
        // SAFETY: no conditions; an unknown socket is a state of its own.
        unsafe { ffi::srt_getsockstate(self.0.0) > ffi::SRTS_CONNECTED }
    }

    /// Counters since the connection began; `None` once it is broken.
    pub(super) fn statistics(&self) -> Option<Statistics> {
        // SAFETY: plain integers.
        let mut raw: ffi::Statistics = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is larger than what libsrt writes.
        let result = unsafe { ffi::srt_bistats(self.0.0, &raw mut raw, 0, 1) };
        if result == ffi::ERROR {
            return None;
        }
        let count = |value: c_int| u64::try_from(value).unwrap_or(0);
        Some(Statistics {
            received: u64::try_from(raw.pkt_recv_total).unwrap_or(0),
            lost: count(raw.pkt_rcv_loss_total),
            // libsrt keeps no total of it; nothing here clears the interval's counter.
            retransmitted: count(raw.pkt_rcv_retrans),
            dropped: count(raw.pkt_rcv_drop_total),
            undecryptable: count(raw.pkt_rcv_undecrypt_total),
            rtt: Duration::try_from_secs_f64(raw.ms_rtt / 1000.0).unwrap_or_default(),
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the id is ours; libsrt may have closed it by itself, which it then says. With
        // SRTO_SNDSYN off and nothing to send it does not wait.
        unsafe { ffi::srt_close(self.0.0) };
    }
}

/// What a caller says of itself before it is admitted. It has proved its address by libsrt's
/// cookie.
pub(super) struct Handshake<'a> {
    pub(super) socket: SocketId,
    /// 4 (no Stream ID yet) or 5.
    pub(super) version: i32,
    pub(super) peer: SocketAddr,
    pub(super) stream_id: &'a [u8],
}

/// The answer to a [`Handshake`].
pub(super) enum Verdict {
    /// Go on, with this passphrase (none: without encryption). libsrt refuses a caller who has
    /// another, or none, or one where none is wanted.
    Admit(Option<Passphrase>),
    /// Refuse with this code (`SRT_REJX_…`, 1000 and above).
    Reject(i32),
}

/// Decides on libsrt's receiving thread, which all connections of the port share: it never
/// blocks. A panic refuses the caller.
pub(super) type Admit = dyn Fn(Handshake<'_>) -> Verdict + Send + Sync;

/// Options of a listening socket; accepted ones inherit them.
pub(super) struct Options {
    pub(super) receive_latency_ms: i32,
    pub(super) receive_buffer_bytes: i32,
    pub(super) udp_receive_buffer_bytes: i32,
    pub(super) reorder_packets_max: i32,
    pub(super) peer_idle_ms: i32,
    /// The oldest libsrt of a caller, as 0x00XXYYZZ.
    pub(super) peer_version_min: i32,
    /// Connections that are set up and not yet accepted.
    pub(super) backlog: i32,
}

/// A listening socket. Its callback outlives it: closing it waits for one that is running
/// (libsrt runs it under the lock that closing takes), and none begins after that.
pub(super) struct ListeningSocket {
    socket: Socket,
    _admit: Arc<Box<Admit>>,
}

impl ListeningSocket {
    /// Listens on `port`.
    pub(super) fn bind(
        port: &UdpPort,
        options: &Options,
        admit: Box<Admit>,
    ) -> Result<Self, Error> {
        let descriptor = port.duplicate().map_err(|error| Error {
            call: "dup",
            code: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        })?;
        let socket = Socket::new()?;
        for (name, option, value) in [
            ("SRTO_RCVSYN", ffi::SRTO_RCVSYN, 0),
            ("SRTO_SNDSYN", ffi::SRTO_SNDSYN, 0),
            ("SRTO_ENFORCEDENCRYPTION", ffi::SRTO_ENFORCEDENCRYPTION, 1),
            (
                "SRTO_RCVLATENCY",
                ffi::SRTO_RCVLATENCY,
                options.receive_latency_ms,
            ),
            (
                "SRTO_RCVBUF",
                ffi::SRTO_RCVBUF,
                options.receive_buffer_bytes,
            ),
            (
                "SRTO_UDP_RCVBUF",
                ffi::SRTO_UDP_RCVBUF,
                options.udp_receive_buffer_bytes,
            ),
            (
                "SRTO_LOSSMAXTTL",
                ffi::SRTO_LOSSMAXTTL,
                options.reorder_packets_max,
            ),
            (
                "SRTO_PEERIDLETIMEO",
                ffi::SRTO_PEERIDLETIMEO,
                options.peer_idle_ms,
            ),
            (
                "SRTO_MINVERSION",
                ffi::SRTO_MINVERSION,
                options.peer_version_min,
            ),
        ] {
            socket.set(name, option, value)?;
        }
        let admit = Arc::new(admit);
        // SAFETY: the pointer is valid until the socket is closed, and so for each call.
        let result = unsafe {
            let opaque = Arc::as_ptr(&admit).cast_mut().cast();
            ffi::srt_listen_callback(socket.0.0, on_handshake, opaque)
        };
        checked("srt_listen_callback", result)?;
        // SAFETY: a bound UDP socket, which libsrt owns and closes from now on.
        checked("srt_bind_acquire", unsafe {
            ffi::srt_bind_acquire(socket.0.0, descriptor)
        })?;
        // SAFETY: no conditions.
        checked("srt_listen", unsafe {
            ffi::srt_listen(socket.0.0, options.backlog)
        })?;
        Ok(Self {
            socket,
            _admit: admit,
        })
    }

    pub(super) fn id(&self) -> SocketId {
        self.socket.id()
    }

    /// The next admitted connection; `None` where there is none at the moment.
    pub(super) fn accept(&self) -> Option<Socket> {
        // SAFETY: null where the address is not wanted.
        let socket =
            unsafe { ffi::srt_accept(self.socket.0.0, std::ptr::null_mut(), std::ptr::null_mut()) };
        (socket != ffi::ERROR).then_some(Socket(SocketId(socket)))
    }
}

extern "C" fn on_handshake(
    opaque: *mut c_void,
    socket: ffi::SrtSocket,
    version: c_int,
    peer: *const sockaddr,
    stream_id: *const c_char,
) -> c_int {
    /// `SRT_REJX_ISE`.
    const REJECT_INTERNAL: i32 = 1500;
    let decide = || {
        // SAFETY: `opaque` is what `bind` gave, alive while the socket listens.
        let admit = unsafe { &*opaque.cast::<Box<Admit>>() };
        // SAFETY: libsrt hands over a whole address.
        let Some(peer) = (unsafe { address::read(peer) }) else {
            return Verdict::Reject(REJECT_INTERNAL);
        };
        let stream_id = if stream_id.is_null() {
            &[][..]
        } else {
            // SAFETY: a C string (libsrt's own buffer of 513 bytes, zeroed before) that lives
            // through the call.
            unsafe { CStr::from_ptr(stream_id) }.to_bytes()
        };
        admit(Handshake {
            socket: SocketId(socket),
            version,
            peer,
            stream_id,
        })
    };
    let verdict =
        catch_unwind(AssertUnwindSafe(decide)).unwrap_or(Verdict::Reject(REJECT_INTERNAL));
    let reason = match verdict {
        Verdict::Admit(None) => return 0,
        Verdict::Admit(Some(passphrase)) => {
            let text = passphrase.reveal().as_bytes();
            // SAFETY: the passphrase is `text.len()` bytes (10 to 79) and is copied.
            let result = unsafe {
                ffi::srt_setsockflag(
                    socket,
                    ffi::SRTO_PASSPHRASE,
                    text.as_ptr().cast(),
                    text.len() as c_int,
                )
            };
            if result != ffi::ERROR {
                return 0;
            }
            REJECT_INTERNAL
        }
        Verdict::Reject(reason) => reason,
    };
    // SAFETY: no conditions.
    unsafe { ffi::srt_setrejectreason(socket, reason) };
    ffi::ERROR
}

/// A set of sockets to wait on.
pub(super) struct Epoll(c_int);

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) socket: SocketId,
    pub(super) broken: bool,
}

/// Events taken of one wait; the others stay for the next.
const EVENTS_MAX: usize = 64;

impl Epoll {
    pub(super) fn new() -> Result<Self, Error> {
        // SAFETY: no conditions.
        checked("srt_epoll_create", unsafe { ffi::srt_epoll_create() }).map(Self)
    }

    /// Watches `socket` for something to read and for its end.
    pub(super) fn add(&self, socket: SocketId) -> Result<(), Error> {
        let events = ffi::EPOLL_IN | ffi::EPOLL_ERR;
        // SAFETY: one int, copied.
        let result = unsafe { ffi::srt_epoll_add_usock(self.0, socket.0, &raw const events) };
        checked("srt_epoll_add_usock", result).map(drop)
    }

    /// Watches `socket` no longer.
    pub(super) fn remove(&self, socket: SocketId) {
        // SAFETY: no conditions; a socket that is not in the set is an error of no consequence.
        unsafe { ffi::srt_epoll_remove_usock(self.0, socket.0) };
    }

    /// Waits at most `timeout` and puts what is ready into `ready`.
    pub(super) fn wait(&self, timeout: Duration, ready: &mut Vec<Event>) -> Result<(), Error> {
        let mut events = [ffi::EpollEvent {
            socket: ffi::ERROR,
            events: 0,
        }; EVENTS_MAX];
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: libsrt fills at most EVENTS_MAX events.
        let result = unsafe {
            ffi::srt_epoll_uwait(self.0, events.as_mut_ptr(), EVENTS_MAX as c_int, timeout_ms)
        };
        ready.clear();
        let count = checked("srt_epoll_uwait", result)?;
        // libsrt says one more than fits where there are more.
        let count = usize::try_from(count).unwrap_or(0).min(EVENTS_MAX);
        ready.extend(events[..count].iter().map(|event| Event {
            socket: SocketId(event.socket),
            broken: event.events & ffi::EPOLL_ERR != 0,
        }));
        Ok(())
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: the id is ours.
        unsafe { ffi::srt_epoll_release(self.0) };
    }
}
