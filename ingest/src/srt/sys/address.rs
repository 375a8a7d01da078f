//! Socket addresses between Rust and C.

use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, sockaddr_storage};

/// Room for an address of either family.
pub(super) struct Storage(sockaddr_storage);

impl Storage {
    pub(super) fn empty() -> Self {
        // SAFETY: sockaddr_storage is plain integers; all zeros is AF_UNSPEC.
        Self(unsafe { std::mem::zeroed() })
    }

    /// The address and how many of its bytes count.
    pub(super) fn from_address(address: SocketAddr) -> (Self, i32) {
        let mut storage = Self::empty();
        let bytes = match address {
            SocketAddr::V4(v4) => {
                // SAFETY: sockaddr_in is plain integers; the fields that count are set below.
                let mut raw: sockaddr_in = unsafe { std::mem::zeroed() };
                raw.sin_family = libc::AF_INET as sa_family_t;
                raw.sin_port = v4.port().to_be();
                raw.sin_addr.s_addr = u32::from_ne_bytes(v4.ip().octets());
                // SAFETY: sockaddr_storage is at least as large and as aligned as sockaddr_in.
                unsafe { (&raw mut storage.0).cast::<sockaddr_in>().write(raw) };
                size_of::<sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                // SAFETY: as above.
                let mut raw: sockaddr_in6 = unsafe { std::mem::zeroed() };
                raw.sin6_family = libc::AF_INET6 as sa_family_t;
                raw.sin6_port = v6.port().to_be();
                raw.sin6_flowinfo = v6.flowinfo();
                raw.sin6_scope_id = v6.scope_id();
                raw.sin6_addr.s6_addr = v6.ip().octets();
                // SAFETY: as above.
                unsafe { (&raw mut storage.0).cast::<sockaddr_in6>().write(raw) };
                size_of::<sockaddr_in6>()
            }
        };
        (storage, bytes as i32)
    }

    pub(super) fn as_ptr(&self) -> *const sockaddr {
        (&raw const self.0).cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut sockaddr {
        (&raw mut self.0).cast()
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        // SAFETY: the storage is a whole sockaddr of whatever family it names.
        unsafe { read(self.as_ptr()) }
    }

    /// How many bytes an address of either family may take.
    pub(super) const BYTES: i32 = size_of::<sockaddr_storage>() as i32;
}

/// Reads an address that libsrt hands over; `None` where it is of no known family. An IPv4
/// address mapped into IPv6 (a dual-stack listener) comes out as IPv4.
///
/// # Safety
/// `pointer` is null, or points to a whole `sockaddr_in` or `sockaddr_in6` as its family says.
pub(super) unsafe fn read(pointer: *const sockaddr) -> Option<SocketAddr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and every sockaddr begins with its family. Reads are unaligned, since
    // nothing promises an alignment.
    let address = match i32::from(unsafe { (&raw const (*pointer).sa_family).read_unaligned() }) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in.
            let raw = unsafe { pointer.cast::<sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
            SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(raw.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6.
            let raw = unsafe { pointer.cast::<sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
            let port = u16::from_be(raw.sin6_port);
            SocketAddr::V6(SocketAddrV6::new(
                ip,
                port,
                raw.sin6_flowinfo,
                raw.sin6_scope_id,
            ))
        }
        _ => return None,
    };
    Some(match address.ip().to_canonical() {
        ip if ip != address.ip() => SocketAddr::new(ip, address.port()),
        _ => address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_through_c() {
        for text in ["192.0.2.7:8890", "[2001:db8::1]:8890", "[fe80::1%3]:9"] {
            let address: SocketAddr = text.parse().expect("an address");
            let (storage, bytes) = Storage::from_address(address);
            assert!(bytes > 0 && bytes <= Storage::BYTES);
            assert_eq!(storage.address(), Some(address), "{text}");
        }
        let (mapped, _) =
            Storage::from_address("[::ffff:192.0.2.7]:1".parse().expect("an address"));
        assert_eq!(mapped.address(), "192.0.2.7:1".parse().ok());
        assert_eq!(Storage::empty().address(), None);
        // SAFETY: null is allowed.
        assert_eq!(unsafe { read(std::ptr::null()) }, None);
    }
}
