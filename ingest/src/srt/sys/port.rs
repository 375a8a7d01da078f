//! The UDP socket under a listener: bound by us, so that a busy port is the system's own answer
//! and a filter can be put before libsrt.

use std::io;
use std::net::{SocketAddr, UdpSocket};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::IntoRawFd;

use crate::srt::filter::Instruction;

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

    /// Lets the kernel hold so many bytes of the port that nobody has read yet: past what the system
    /// allows everybody (`net.core.rmem_max`) where this process may do that. How many it holds now.
    #[cfg(target_os = "linux")]
    pub(in crate::srt) fn hold(&self, bytes: usize) -> io::Result<usize> {
        let wanted = i32::try_from(bytes).unwrap_or(i32::MAX);
        // Refused to whoever is not allowed to administer the network; then it stays as it is.
        let _refused = self.set_option(libc::SO_RCVBUFFORCE, &wanted);
        let mut held = 0i32;
        let mut held_bytes = size_of::<i32>() as libc::socklen_t;
        // SAFETY: SO_RCVBUF writes one int.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUF,
                (&raw mut held).cast(),
                &raw mut held_bytes,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // The kernel doubles what is asked for, for its own book-keeping (socket(7)).
        Ok(usize::try_from(held).unwrap_or(0) / 2)
    }

    /// Elsewhere it is as libsrt has set it.
    #[cfg(not(target_os = "linux"))]
    pub(in crate::srt) fn hold(&self, bytes: usize) -> io::Result<usize> {
        Ok(bytes)
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
