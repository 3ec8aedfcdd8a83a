//! Origins as browsers write them, compared whole: nothing that merely begins or ends alike is let in.

use url::{Origin, Url};

/// An origin that counts, or any port of its host.
#[derive(Debug, Clone)]
pub(super) enum OriginRule {
    Exact(String),
    /// For development: the scheme and host of `http://localhost:*`.
    AnyPort(String),
}

impl OriginRule {
    /// Reads `scheme://host[:port]` or `scheme://host:*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(":*") {
            Some(host) => canonical(host).map(|url| Self::AnyPort(without_port(&url))),
            None => canonical(text).map(|_| Self::Exact(text.to_owned())),
        }
    }

    /// The origin as a URL, if this rule lets it in.
    pub(super) fn admit(&self, origin: &str) -> Option<Url> {
        let url = canonical(origin)?;
        let fits = match self {
            Self::Exact(exact) => exact == origin,
            Self::AnyPort(host) => *host == without_port(&url),
        };
        fits.then_some(url)
    }
}

/// Reads an origin in the one form that browsers give it: lower case, no path, no default port.
fn canonical(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let Origin::Tuple(scheme, ..) = url.origin() else { return None };
    let written = matches!(scheme.as_str(), "http" | "https")
        && url.origin().ascii_serialization() == text
        && !text.contains('*');
    written.then_some(url)
}

fn without_port(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}
