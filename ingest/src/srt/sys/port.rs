//! The UDP socket under a listener: bound by us, so that a busy port is the system's own answer
//! and a filter can be put before libsrt.

use std::io;
use std::net::{SocketAddr, UdpSocket};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;

use crate::srt::bans::Instruction;

/// A bound UDP port, shared with libsrt.
pub(in crate::srt) struct UdpPort(UdpSocket);

impl UdpPort {
    /// Binds `address`; an IPv6 wildcard takes IPv4 too where the system's default is so.
    pub(in crate::srt) fn bind(address: SocketAddr) -> io::Result<Self> {
        UdpSocket::bind(address).map(Self)
    }

    pub(in crate::srt) fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// A second descriptor of the same socket, for libsrt to own and close.
    pub(super) fn duplicate(&self) -> io::Result<i32> {
        self.0.try_clone().map(IntoRawFd::into_raw_fd)
    }

    /// Lets the kernel drop what `filter` does not let pass; an empty one lets everything pass.
    /// Does not block.
    #[cfg(target_os = "linux")]
    pub(in crate::srt) fn set_filter(&self, filter: &[Instruction]) -> io::Result<()> {
        let mut program: Vec<libc::sock_filter> = filter
            .iter()
            .map(|one| libc::sock_filter {
                code: one.code,
                jt: one.skip_if,
                jf: one.skip_else,
                k: one.value,
            })
            .collect();
        if program.is_empty() {
            return match self.set_option(libc::SO_DETACH_FILTER, &0i32) {
                // There was none.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
                result => result,
            };
        }
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_mut_ptr(),
        };
        self.set_option(libc::SO_ATTACH_FILTER, &program)
    }

    /// Elsewhere strangers are refused one by one.
    #[cfg(not(target_os = "linux"))]
    pub(in crate::srt) fn set_filter(&self, _filter: &[Instruction]) -> io::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn set_option<T>(&self, option: i32, value: &T) -> io::Result<()> {
        // SAFETY: the kernel copies `value` (and a program that it points to) within the call,
        // and checks a program before it takes it.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const *value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}
