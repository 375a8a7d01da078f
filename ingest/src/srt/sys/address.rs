//! Socket addresses as C hands them over.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{sockaddr, sockaddr_in, sockaddr_in6};

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
    fn addresses_are_read_as_c_writes_them() {
        // SAFETY: plain integers.
        let mut v4: sockaddr_in = unsafe { std::mem::zeroed() };
        v4.sin_family = libc::AF_INET as libc::sa_family_t;
        v4.sin_port = 8890u16.to_be();
        v4.sin_addr.s_addr = u32::from_ne_bytes([192, 0, 2, 7]);
        // SAFETY: a whole sockaddr_in.
        let address = unsafe { read((&raw const v4).cast()) };
        assert_eq!(address, "192.0.2.7:8890".parse().ok());
        for (ip, expected) in [
            ("2001:db8::1", "[2001:db8::1]:8890"),
            ("::ffff:192.0.2.7", "192.0.2.7:8890"),
        ] {
            // SAFETY: plain integers.
            let mut v6: sockaddr_in6 = unsafe { std::mem::zeroed() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = 8890u16.to_be();
            v6.sin6_addr.s6_addr = ip.parse::<Ipv6Addr>().expect("an address").octets();
            // SAFETY: a whole sockaddr_in6.
            let address = unsafe { read((&raw const v6).cast()) };
            assert_eq!(address, expected.parse().ok());
        }
        // SAFETY: null is allowed, and a family of zero is none.
        assert_eq!(unsafe { read(std::ptr::null()) }, None);
    }
}
