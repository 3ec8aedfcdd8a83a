//! Who is at the other end, when proxies of ours stand between.

use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The peer's address: the socket's, or the last one in `X-Forwarded-For` that no trusted proxy has.
///
/// Read from the right: what stands further left was written by somebody we do not trust.
pub(crate) fn client(socket: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut known = socket?.to_canonical();
    if !is_trusted(known, trusted) {
        return Some(known);
    }
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).map(|v| v.to_str().unwrap_or_default()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Some(address) = read(entry.trim()) else { break };
        known = address;
        if !is_trusted(known, trusted) {
            break;
        }
    }
    Some(known)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// An address with or without brackets and port.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()));
    address.map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn seen(socket: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|n| n.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        client(Some(socket.parse().unwrap()), &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn a_stranger_cannot_forge_his_address() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 203.0.113.9"]),
            "203.0.113.9",
            "what he wrote stands left of what we saw"
        );
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "203.0.113.9, 10.2.2.2"]), "203.0.113.9", "over several lines");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9, garbage, 10.2.2.2"]), "10.2.2.2", "behind garbage nothing counts");
    }

    #[test]
    fn addresses_are_read_in_every_form_that_proxies_write() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("fd00::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(seen("::ffff:10.0.0.1", &["::ffff:203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["10.0.0.7, 10.0.0.8"]), "10.0.0.7", "inside our own network");
    }

    proptest! {
        #[test]
        fn no_header_stops_the_reader(line in "[ -~]{0,60}") {
            seen("10.0.0.1", &[&line]);
        }
    }
}
