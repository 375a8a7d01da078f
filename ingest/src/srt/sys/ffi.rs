//! Declarations of the libsrt functions, constants and structures that are used, after
//! `srt/srt.h`, `srt/access_control.h` and `srt/logging_api.h` of libsrt 1.5.

use std::ffi::{c_char, c_int, c_void};

use libc::sockaddr;

/// `SRTSOCKET`.
pub(super) type SrtSocket = i32;

/// `SRT_INVALID_SOCK` and `SRT_ERROR`.
pub(super) const ERROR: c_int = -1;

/// `SRT_EASYNCRCV`: nothing to read at the moment.
pub(super) const EASYNCRCV: c_int = 6002;

pub(super) const SRTO_SNDSYN: c_int = 1;
pub(super) const SRTO_RCVSYN: c_int = 2;
pub(super) const SRTO_RCVBUF: c_int = 6;
pub(super) const SRTO_UDP_RCVBUF: c_int = 9;
pub(super) const SRTO_PASSPHRASE: c_int = 26;
pub(super) const SRTO_LOSSMAXTTL: c_int = 42;
pub(super) const SRTO_RCVLATENCY: c_int = 43;
pub(super) const SRTO_MINVERSION: c_int = 45;
pub(super) const SRTO_ENFORCEDENCRYPTION: c_int = 53;
pub(super) const SRTO_PEERIDLETIMEO: c_int = 55;

/// `SRT_EPOLL_IN`: something to read or to accept.
pub(super) const EPOLL_IN: c_int = 0x1;
/// `SRT_EPOLL_ERR`: the connection is broken.
pub(super) const EPOLL_ERR: c_int = 0x8;

/// `SRTS_CONNECTED`, the last of the states of a working connection.
pub(super) const SRTS_CONNECTED: c_int = 5;

/// syslog's `LOG_WARNING`, the most talkative level that says anything per event, not per packet.
pub(super) const LOG_WARNING: c_int = 4;
/// `SRT_LOGF_DISABLE_TIME | _THREADNAME | _SEVERITY | _EOL`: the bare message.
pub(super) const LOG_BARE: c_int = 1 | 2 | 4 | 8;

/// `SRT_EPOLL_EVENT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct EpollEvent {
    pub(super) socket: SrtSocket,
    pub(super) events: c_int,
}

/// `SRT_TRACEBSTATS` as far as it is read; libsrt promises to add fields only at its end.
#[repr(C)]
pub(super) struct Statistics {
    pub(super) ms_time_stamp: i64,
    pub(super) pkt_sent_total: i64,
    pub(super) pkt_recv_total: i64,
    pub(super) pkt_snd_loss_total: c_int,
    pub(super) pkt_rcv_loss_total: c_int,
    pub(super) pkt_retrans_total: c_int,
    pub(super) pkt_sent_ack_total: c_int,
    pub(super) pkt_recv_ack_total: c_int,
    pub(super) pkt_sent_nak_total: c_int,
    pub(super) pkt_recv_nak_total: c_int,
    pub(super) us_snd_duration_total: i64,
    pub(super) pkt_snd_drop_total: c_int,
    pub(super) pkt_rcv_drop_total: c_int,
    pub(super) pkt_rcv_undecrypt_total: c_int,
    pub(super) byte_sent_total: u64,
    pub(super) byte_recv_total: u64,
    pub(super) byte_rcv_loss_total: u64,
    pub(super) byte_retrans_total: u64,
    pub(super) byte_snd_drop_total: u64,
    pub(super) byte_rcv_drop_total: u64,
    pub(super) byte_rcv_undecrypt_total: u64,
    pub(super) pkt_sent: i64,
    pub(super) pkt_recv: i64,
    pub(super) pkt_snd_loss: c_int,
    pub(super) pkt_rcv_loss: c_int,
    pub(super) pkt_retrans: c_int,
    pub(super) pkt_rcv_retrans: c_int,
    /// Acknowledgements, rates and the interval's other counters.
    between: [u64; 20],
    pub(super) ms_rtt: f64,
    /// What libsrt writes after it: 160 bytes in 1.5.1, and room for what later versions add.
    rest: [u64; 256],
}

/// `srt_listen_callback_fn`.
pub(super) type ListenCallback = extern "C" fn(
    opaque: *mut c_void,
    socket: SrtSocket,
    handshake_version: c_int,
    peer: *const sockaddr,
    stream_id: *const c_char,
) -> c_int;

/// `SRT_LOG_HANDLER_FN`.
pub(super) type LogHandler = extern "C" fn(
    opaque: *mut c_void,
    level: c_int,
    file: *const c_char,
    line: c_int,
    area: *const c_char,
    message: *const c_char,
);

unsafe extern "C" {
    pub(super) fn srt_startup() -> c_int;
    pub(super) fn srt_cleanup() -> c_int;
    pub(super) fn srt_setloglevel(level: c_int);
    pub(super) fn srt_setlogflags(flags: c_int);
    pub(super) fn srt_setloghandler(opaque: *mut c_void, handler: LogHandler);

    pub(super) fn srt_create_socket() -> SrtSocket;
    pub(super) fn srt_bind_acquire(socket: SrtSocket, udp_socket: c_int) -> c_int;
    pub(super) fn srt_listen(socket: SrtSocket, backlog: c_int) -> c_int;
    pub(super) fn srt_listen_callback(
        socket: SrtSocket,
        callback: ListenCallback,
        opaque: *mut c_void,
    ) -> c_int;
    pub(super) fn srt_setrejectreason(socket: SrtSocket, reason: c_int) -> c_int;
    pub(super) fn srt_accept(
        socket: SrtSocket,
        address: *mut sockaddr,
        address_bytes: *mut c_int,
    ) -> SrtSocket;
    pub(super) fn srt_close(socket: SrtSocket) -> c_int;
    pub(super) fn srt_getsockstate(socket: SrtSocket) -> c_int;
    pub(super) fn srt_getsockflag(
        socket: SrtSocket,
        option: c_int,
        value: *mut c_void,
        value_bytes: *mut c_int,
    ) -> c_int;
    pub(super) fn srt_setsockflag(
        socket: SrtSocket,
        option: c_int,
        value: *const c_void,
        value_bytes: c_int,
    ) -> c_int;
    pub(super) fn srt_recvmsg(socket: SrtSocket, buffer: *mut c_char, bytes: c_int) -> c_int;
    pub(super) fn srt_bistats(
        socket: SrtSocket,
        statistics: *mut Statistics,
        clear: c_int,
        instantaneous: c_int,
    ) -> c_int;

    pub(super) fn srt_getlasterror(system_error: *mut c_int) -> c_int;
    pub(super) fn srt_strerror(code: c_int, system_error: c_int) -> *const c_char;

    pub(super) fn srt_epoll_create() -> c_int;
    pub(super) fn srt_epoll_add_usock(
        epoll: c_int,
        socket: SrtSocket,
        events: *const c_int,
    ) -> c_int;
    pub(super) fn srt_epoll_remove_usock(epoll: c_int, socket: SrtSocket) -> c_int;
    pub(super) fn srt_epoll_uwait(
        epoll: c_int,
        events: *mut EpollEvent,
        events_len: c_int,
        timeout_ms: i64,
    ) -> c_int;
    pub(super) fn srt_epoll_release(epoll: c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sizeof(struct CBytePerfMon)` on a 64-bit platform, libsrt 1.5.1: what is set aside has to
    /// be larger.
    const PERF_MON_BYTES: usize = 496;

    #[test]
    fn the_statistics_leave_room_for_all_that_libsrt_writes() {
        assert!(size_of::<Statistics>() > 2 * PERF_MON_BYTES);
        assert_eq!(std::mem::offset_of!(Statistics, pkt_rcv_retrans), 164);
        assert_eq!(std::mem::offset_of!(Statistics, ms_rtt), 328);
    }
}
