//! The name that a request calls the server by. A page of somebody else's may have its own name lead here, and would then be no stranger to
//! the browser; but such a name is not ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{Request, header};

use crate::api::Refusal;

/// Names of the server.
#[derive(Debug)]
pub struct Hosts {
    /// `None` for any.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// Localhost, all addresses (no page's name is one), and these.
    pub fn new(names: &[String]) -> Hosts {
        Hosts { names: Some(names.iter().map(|name| name.to_ascii_lowercase()).collect()) }
    }

    /// Whatever it is called.
    pub fn any() -> Hosts {
        Hosts { names: None }
    }

    /// The name and port that a request has, if it is one of ours.
    ///
    /// # Errors
    /// No name, two, or another one.
    pub fn check<'r>(&self, request: &'r Request<Body>) -> Result<&'r str, Refusal> {
        let mut all = request.headers().get_all(header::HOST).iter();
        let (first, more) = (all.next(), all.next());
        // A proxy asks with the whole address, which then counts.
        let given = request.uri().authority().map(Authority::as_str).or_else(|| first?.to_str().ok());
        let (Some(given), None) = (given, more) else {
            return Err(Refusal::malformed("a request must say once which host it is for"));
        };
        let Ok(authority) = given.parse::<Authority>() else {
            return Err(Refusal::malformed("the request's host is no name or address"));
        };
        let host = authority.host().to_ascii_lowercase();
        let Some(names) = &self.names else { return Ok(given) };
        if is_local(&host) || is_address(&host) || names.contains(&host) {
            return Ok(given);
        }
        Err(Refusal::forbidden(format!(
            "this server is not called {}; start it with --name to have it be",
            formats::shown(&host)
        )))
    }
}

/// Whether a name stands for this machine, whoever is asked.
pub fn is_local(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether it is an address.
pub fn is_address(host: &str) -> bool {
    address(host).is_some()
}

/// Whether it is an address of this machine that no other reaches.
pub fn is_loopback(host: &str) -> bool {
    address(host).is_some_and(|address| address.is_loopback())
}

fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(six) => six.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_addresses_are_written_as_addresses_are() {
        for address in ["127.0.0.1", "10.0.0.7", "[::1]", "[fe80::1]"] {
            assert!(is_address(address), "{address}");
        }
        // Browsers resolve these to addresses before they ask, or look them up.
        for name in ["127.1", "0x7f000001", "::1", "[127.0.0.1]", "localhost", "1.2.3.4.example", ""] {
            assert!(!is_address(name), "{name}");
        }
        assert!(is_loopback("127.9.9.9") && is_loopback("[::1]") && !is_loopback("10.0.0.7"));
    }
}
