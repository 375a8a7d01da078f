//! The socket on which systemd listens: a datagram is a message of `NAME=value` lines.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// See the module.
pub(super) struct Notifier {
    socket: UnixDatagram,
    to: SocketAddr,
}

impl Notifier {
    /// To the socket that `NOTIFY_SOCKET` names: a path, or a name in the abstract namespace behind
    /// an `@`.
    pub(super) fn to(name: &OsStr) -> io::Result<Self> {
        let to = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to })
    }

    /// Says one thing; does not wait for anybody to hear it.
    pub(super) fn say(&self, message: &str) {
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.to) {
            tracing::debug!(%error, message, "systemd does not listen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_by_its_path_or_abstractly() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let abstract_name = format!("millrace-notifier-{}", std::process::id());
        let of_path = UnixDatagram::bind(&path).expect("bound");
        let address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        let of_name = UnixDatagram::bind_addr(&address).expect("bound");
        let name = format!("@{abstract_name}");
        for (socket, name) in [(of_path, path.as_os_str()), (of_name, name.as_ref())] {
            Notifier::to(name).expect("known").say("READY=1");
            let mut message = [0; 64];
            let length = socket.recv(&mut message).expect("a message");
            assert_eq!(&message[..length], b"READY=1");
        }
        for name in ["", "relative", "vsock:2:1"] {
            assert!(Notifier::to(name.as_ref()).is_err(), "{name:?}");
        }
    }
}
