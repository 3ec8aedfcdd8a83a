//! Web origins (RFC 6454): compared whole, never by prefix.

use std::fmt;

/// The text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an origin of the form scheme://host[:port]")]
pub struct NotAnOrigin;

/// A scheme, a host and a port; lower case, default ports dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    /// `None` is the scheme's default port.
    port: Option<u16>,
}

impl Origin {
    /// Reads an origin: `http` or `https`, nothing behind the port.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let url = url::Url::parse(text).map_err(|_| NotAnOrigin)?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/"
            && !text.ends_with('/')
            && !text.contains('\\');
        if !bare {
            return Err(NotAnOrigin);
        }
        Self::of_url(&url).ok_or(NotAnOrigin)
    }

    /// The origin part of a URL.
    pub fn of_url(url: &url::Url) -> Option<Self> {
        let host = url.host_str().filter(|h| !h.is_empty())?;
        matches!(url.scheme(), "http" | "https").then(|| Self {
            scheme: url.scheme().to_owned(),
            host: host.to_ascii_lowercase(),
            port: url.port(),
        })
    }

    /// The host, without its port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// One entry of an allow list: an origin, or (in development only) any port of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// Exactly this origin.
    Exact(Origin),
    /// `scheme://host:*`.
    AnyPort {
        /// `http` or `https`.
        scheme: String,
        /// The host.
        host: String,
    },
}

impl OriginPattern {
    /// Reads an entry.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        match text.strip_suffix(":*") {
            None => Origin::parse(text).map(Self::Exact),
            Some(rest) => {
                let origin = Origin::parse(rest)?;
                if origin.port.is_some() {
                    return Err(NotAnOrigin);
                }
                Ok(Self::AnyPort { scheme: origin.scheme, host: origin.host })
            }
        }
    }

    /// Whether the origin is meant; any-port entries count in development environments only.
    pub fn matches(&self, origin: &Origin, development: bool) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::AnyPort { scheme, host } => development && *scheme == origin.scheme && *host == origin.host,
        }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => origin.fmt(f),
            Self::AnyPort { scheme, host } => write!(f, "{scheme}://{host}:*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole() {
        let allowed = OriginPattern::parse("https://App.example.com:443").unwrap();
        let is = |text: &str| Origin::parse(text).is_ok_and(|o| allowed.matches(&o, true));
        assert!(is("https://app.example.com"));
        for other in [
            "http://app.example.com",
            "https://app.example.com.evil.test",
            "https://evil-app.example.com",
            "https://app.example.com:444",
            "null",
            "https://app.example.com/",
            "https://u@app.example.com",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn every_spelling_of_an_entry_is_shown_as_one() {
        for (text, shown) in [
            ("HTTPS://App.Example.com:443", "https://app.example.com"),
            ("http://LOCALHOST:*", "http://localhost:*"),
            ("https://m\u{fc}nchen.example", "https://xn--mnchen-3ya.example"),
        ] {
            assert_eq!(OriginPattern::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn any_port_is_for_development() {
        let any = OriginPattern::parse("http://localhost:*").unwrap();
        let origin = Origin::parse("http://localhost:5173").unwrap();
        assert!(any.matches(&origin, true));
        assert!(!any.matches(&origin, false));
    }
}
