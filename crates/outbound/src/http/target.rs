//! What a URL says of itself: scheme, host, port. The addresses behind a name are looked at when it is connected to.

use super::HttpSettings;
use super::address::is_allowed;
use std::net::IpAddr;
use url::{Host, Url};

/// Why a URL is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is no absolute URL with a host.
    #[error("the text is no absolute URL")]
    Form,
    /// Neither https, nor http where that is allowed.
    #[error("the scheme must be https")]
    Scheme,
    /// It carries a user name or a password.
    #[error("a URL with a user name or a password is not called")]
    Userinfo,
    /// A port that strangers are not called on.
    #[error("the port is not among those that are called")]
    Port,
    /// The host is an address that is not the public Internet's.
    #[error("the host is not a public address")]
    Host,
}

/// Reads a URL and refuses what can be refused without asking anybody.
pub(super) fn check(text: &str, settings: &HttpSettings) -> Result<Url, BadTarget> {
    // The parser knows every spelling of an address: decimal, octal, hexadecimal, short.
    let url = Url::parse(text).map_err(|_| BadTarget::Form)?;
    check_url(&url, settings)?;
    Ok(url)
}

pub(super) fn check_url(url: &Url, settings: &HttpSettings) -> Result<(), BadTarget> {
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http => {}
        _ => return Err(BadTarget::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadTarget::Userinfo);
    }
    let host = url.host().ok_or(BadTarget::Form)?;
    let port = url.port_or_known_default().ok_or(BadTarget::Port)?;
    if settings.ports.as_ref().is_some_and(|ports| !ports.contains(&port)) {
        return Err(BadTarget::Port);
    }
    let ip = match host {
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
        Host::Domain(name) => match loopback_name(name) {
            Some(ip) => ip,
            None => return Ok(()),
        },
    };
    if is_allowed(ip, &settings.allow_cidrs) { Ok(()) } else { Err(BadTarget::Host) }
}

/// What a URL shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is called over TLS.
    pub is_https: bool,
    /// Whether it names this machine.
    pub is_loopback: bool,
    /// Whether it has a fragment, which is never sent.
    pub has_fragment: bool,
}

impl Seen {
    pub(super) fn of(url: &Url) -> Self {
        let is_loopback = match url.host() {
            Some(Host::Ipv4(v4)) => v4.is_loopback(),
            Some(Host::Ipv6(v6)) => v6.is_loopback(),
            Some(Host::Domain(name)) => loopback_name(name).is_some(),
            None => false,
        };
        Self { is_https: url.scheme() == "https", is_loopback, has_fragment: url.fragment().is_some() }
    }
}

/// `localhost` and what is under it are this machine, whatever a resolver says (RFC 6761 section 6.3).
fn loopback_name(name: &str) -> Option<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (name == "localhost" || name.ends_with(".localhost")).then_some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> HttpSettings {
        HttpSettings::default()
    }

    #[test]
    fn no_spelling_of_an_inner_address_is_a_target() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "0",
            "0.0.0.0",
            "10.1",
            "0xa9fea9fe",
            "169.254.169.254",
            "2852039166",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "x.localhost",
            "%31%32%37.0.0.1",
            "①②⑦.⓪.⓪.①",
            "１２７.0.0.1",
        ] {
            assert_eq!(check(&format!("https://{host}/"), &strict()).err(), Some(BadTarget::Host), "{host}");
        }
    }

    #[test]
    fn a_target_is_https_on_a_usual_port_without_a_user() {
        for (url, problem) in [
            ("http://example.com/", BadTarget::Scheme),
            ("ftp://example.com/", BadTarget::Scheme),
            ("file:///etc/passwd", BadTarget::Scheme),
            ("gopher://example.com/", BadTarget::Scheme),
            ("javascript:alert(1)", BadTarget::Scheme),
            ("https://user@example.com/", BadTarget::Userinfo),
            ("https://:password@example.com/", BadTarget::Userinfo),
            ("https://example.com@127.0.0.1/", BadTarget::Userinfo),
            ("https://example.com:22/", BadTarget::Port),
            ("https://example.com:6379/", BadTarget::Port),
            ("example.com", BadTarget::Form),
            ("//example.com/", BadTarget::Form),
            ("https://", BadTarget::Form),
            ("https://1.2.3.4.5/", BadTarget::Form),
            ("https://[fe80::1%25eth0]/", BadTarget::Form),
            ("", BadTarget::Form),
        ] {
            assert_eq!(check(url, &strict()).err(), Some(problem), "{url}");
        }
        for url in
            ["https://example.com/a?b=c", "https://example.com:443/", "https://8.8.8.8/", "https://[2606:4700::1111]/"]
        {
            assert!(check(url, &strict()).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_url_shows_what_else_it_is() {
        let seen = |text: &str| Seen::of(&Url::parse(text).unwrap());
        for (text, is_https, is_loopback, has_fragment) in [
            ("https://example.com/a#b", true, false, true),
            ("http://localhost:3000/", false, true, false),
            ("http://127.1/", false, true, false),
            ("http://[::1]/#", false, true, true),
            ("http://localhost.example.com/", false, false, false),
        ] {
            assert_eq!(seen(text), Seen { is_https, is_loopback, has_fragment }, "{text}");
        }
    }

    #[test]
    fn the_operator_opens_networks_and_ports() {
        let settings =
            HttpSettings { allow_cidrs: vec!["10.0.0.0/8".parse().unwrap()], ports: Some(vec![443, 8443]), ..strict() };

        assert!(check("https://10.1.2.3:8443/", &settings).is_ok());
        assert_eq!(check("https://192.168.1.1:8443/", &settings).err(), Some(BadTarget::Host));
        assert_eq!(check("http://10.1.2.3/", &settings).err(), Some(BadTarget::Scheme));
        assert!(check("http://localhost:3000/", &HttpSettings::development()).is_ok());
        assert_eq!(check("http://10.1.2.3/", &HttpSettings::development()).err(), Some(BadTarget::Host));
    }
}
