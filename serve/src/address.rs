//! Where a server listens: the socket for what was asked, and how clients write down the way there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};

use socket2::{Domain, Socket, Type};

use crate::error::{Error, Result};
use crate::options::Options;

/// Connections that the system keeps until they are accepted: where it has no room for one, that client tries again only a second later.
const BACKLOG: i32 = 4096;

/// Addresses that documentation is written with (RFC 5737, RFC 3849): they are nobody's, and lead out of a machine as others do.
const ELSEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// The socket that a server listens at, unless anybody could ask there without a key.
///
/// # Errors
/// A host that is no address of this machine; one that others reach, without keys; an address that cannot be listened at.
pub fn listen(options: &Options, keys: bool) -> Result<TcpListener> {
    let Options { host, port, insecure, .. } = options;
    let no_host = |source| Error::Host { host: formats::shown(host), source };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut found = (bare, *port).to_socket_addrs().map_err(no_host)?;
    let address = found.next().ok_or_else(|| no_host(std::io::ErrorKind::NotFound.into()))?;
    if !address.ip().is_loopback() && !keys && !insecure {
        return Err(Error::Insecure { address });
    }
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Started again it finds its port, although connections of before are not forgotten yet.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|source| Error::Listen { address, source })
}

/// How a client on this machine writes it.
pub fn url(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

/// How clients on other machines write it; `None` where they cannot reach it, or where this machine has no address that leads anywhere.
pub fn url_for_others(mut address: SocketAddr) -> Option<String> {
    if address.ip().is_unspecified() {
        address.set_ip(own_ip(address.is_ipv6())?);
    }
    (!address.ip().is_loopback()).then(|| format!("http://{address}"))
}

/// The address that this machine would go elsewhere from. Nothing is sent: the system is asked which one it would take.
fn own_ip(v6: bool) -> Option<IpAddr> {
    let (any, there): (IpAddr, _) = match v6 {
        false => (Ipv4Addr::UNSPECIFIED.into(), ELSEWHERE[0]),
        true => (Ipv6Addr::UNSPECIFIED.into(), ELSEWHERE[1]),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_written_as_clients_reach_it() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (address, here, others) in [
            ("127.0.0.1:1", "http://127.0.0.1:1", None),
            ("[::1]:2", "http://[::1]:2", None),
            ("192.168.1.7:3", "http://192.168.1.7:3", Some("http://192.168.1.7:3")),
        ] {
            assert_eq!((url(at(address)).as_str(), url_for_others(at(address)).as_deref()), (here, others));
        }
        assert_eq!([url(at("0.0.0.0:4")), url(at("[::]:5"))], ["http://127.0.0.1:4", "http://[::1]:5"]);
        // A machine without a network has none.
        let others = url_for_others(at("0.0.0.0:6"));
        assert!(others.is_none_or(|url| url.ends_with(":6") && !url.contains("0.0.0.0")));
    }
}
