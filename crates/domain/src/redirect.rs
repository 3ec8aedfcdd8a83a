//! Where browsers and apps may be sent back to. Addresses are compared as they are parsed, and what two parsers may
//! read in two ways is no address here at all.

use crate::environment::EnvironmentKind;
use crate::id::RedirectUrlId;
use crate::origin::Origin;
use crate::time::Timestamp;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The longest address.
pub const REDIRECT_MAX: usize = 2048;

/// So deep a path is looked at; what is listed deeper than this allows nothing.
const SEGMENTS_MAX: usize = 64;

/// Schemes that are no app's own: a browser acts on them, or they lead to a file or a person.
const NO_APPS: [&str; 24] = [
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "gopher",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "moz-extension",
    "sms",
    "tel",
    "vbscript",
    "view-source",
    "wss",
    "ws",
    "x-javascript",
];

/// Why an address cannot be put on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARedirect {
    /// It is no absolute address, or one that parsers do not agree on.
    #[error("not an absolute address that can be compared")]
    Format,
    /// It travels in the clear, or its scheme is no app's.
    #[error("not https, and not an app's own scheme")]
    Insecure,
}

/// An address that somebody asks to be sent back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Reads an address; `None` when it is not absolute, names somebody before the host, or holds anything that
    /// another parser could read in another way: white space, a backslash, `..` in any spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain =
            text.len() <= REDIRECT_MAX && !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
        let url = Url::parse(text).ok().filter(|_| is_plain && !climbs(text))?;
        let names_nobody = url.username().is_empty() && url.password().is_none() && !authority(text).contains('@');
        // `https:host` and `https:///host` are read as `https://host` by some and not by others.
        let says_where = match is_web(&url) {
            true => {
                let rest = text.get(url.scheme().len()..)?.strip_prefix("://")?;
                !rest.starts_with('/') && url.host_str().is_some_and(|host| !host.is_empty())
            }
            false => true,
        };
        (names_nobody && says_where).then_some(Self(url))
    }

    /// The address in the form that it is parsed to.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Its origin, unless the scheme is an app's own.
    pub fn origin(&self) -> Option<Origin> {
        Origin::of_url(&self.0)
    }

    /// The entries of the list that would allow it: its origin and each part of its path up to a `/`. Of an app's own
    /// scheme, the whole address alone.
    pub fn entries(&self) -> Vec<String> {
        if !is_web(&self.0) {
            return vec![self.0.as_str().to_owned()];
        }
        let Some(origin) = self.origin() else { return Vec::new() };
        let mut entry = origin.to_string();
        let mut entries = vec![entry.clone()];
        for segment in self.0.path_segments().into_iter().flatten().take(SEGMENTS_MAX) {
            entry = format!("{entry}/{segment}");
            // What ends in `/` is listed without it.
            if !segment.is_empty() {
                entries.push(entry.clone());
            }
        }
        entries
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// What stands before the first `/`, `?` or `#` after the scheme.
fn authority(text: &str) -> &str {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let rest = path.split_once("//").map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// Whether the path goes up, in whatever spelling: servers decode what browsers leave alone.
fn climbs(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut path = path.as_bytes().to_vec();
    loop {
        if path.split(|b| matches!(b, b'/' | b'\\' | b';')).any(|segment| segment == b"..") || path.contains(&b'\\') {
            return true;
        }
        let decoded: Vec<u8> = percent_decoded(&path);
        if decoded == path {
            return false;
        }
        // Each turn is shorter than the one before.
        path = decoded;
    }
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(bytes.get(at + 1)), hex(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Reads an entry of the list: https, or http on this machine where nobody's real account is; or an app's own scheme.
/// Of a web address, origin and path are kept, without a `/` at the end.
pub fn entry(text: &str, kind: EnvironmentKind) -> Result<String, NotARedirect> {
    let target = Target::parse(text.trim()).ok_or(NotARedirect::Format)?;
    let url = &target.0;
    if !is_web(url) {
        // A browser would not come back to `wss:`, and must never come back to `javascript:`.
        return match (NO_APPS.contains(&url.scheme()), url.cannot_be_a_base()) {
            (true, _) => Err(NotARedirect::Insecure),
            // Such as `localhost:3000`, whose scheme is nobody's.
            (false, true) => Err(NotARedirect::Format),
            (false, false) => Ok(url.as_str().to_owned()),
        };
    }
    if url.scheme() == "http" && (kind == EnvironmentKind::Production || !is_here(url)) {
        return Err(NotARedirect::Insecure);
    }
    let origin = target.origin().ok_or(NotARedirect::Format)?;
    Ok(format!("{origin}{}", url.path().trim_end_matches('/')))
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUrl {
    /// Its id.
    pub id: RedirectUrlId,
    /// The origin with the path that all addresses under it begin with; or the whole address of an app.
    pub url: String,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// The same: an entry is never changed.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(text: &str) -> Result<String, NotARedirect> {
        entry(text, EnvironmentKind::Production)
    }

    fn allows(listed: &str, asked: &str) -> bool {
        let listed = entry(listed, EnvironmentKind::Development).unwrap();
        Target::parse(asked).is_some_and(|target| target.entries().contains(&listed))
    }

    #[test]
    fn an_entry_has_one_form() {
        for (sent, form) in [
            ("https://App.Example.com:443/", "https://app.example.com"),
            ("https://app.example.com/app/?x=1#y", "https://app.example.com/app"),
            ("https://app.example.com:8443/a/b//", "https://app.example.com:8443/a/b"),
            ("com.example.app:/callback", "com.example.app:/callback"),
            ("myapp://callback/", "myapp://callback/"),
        ] {
            assert_eq!(kept(sent), Ok(form.to_owned()));
            assert_eq!(kept(form), Ok(form.to_owned()), "read again");
        }
        let mine = entry("http://localhost:3000/", EnvironmentKind::Staging);
        assert_eq!(mine, Ok("http://localhost:3000".to_owned()));
        for insecure in [
            "http://app.example.com",
            "http://localhost:3000",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "wss://app.example.com",
            "vbscript:x",
            "blob:https://app.example.com/x",
            "JaVaScRiPt:alert(1)",
        ] {
            assert_eq!(kept(insecure), Err(NotARedirect::Insecure), "{insecure}");
        }
        assert_eq!(entry("http://localhost.example.com", EnvironmentKind::Development), Err(NotARedirect::Insecure));
        for bad in [
            "",
            "/app",
            "//app.example.com",
            "app.example.com",
            "https://",
            "https:app.example.com",
            "https:///app",
            "x y",
            "localhost:3000",
        ] {
            assert_eq!(kept(bad), Err(NotARedirect::Format), "{bad:?}");
        }
    }

    #[test]
    fn a_path_is_allowed_at_a_segment_and_an_origin_whole() {
        let listed = "https://app.example.com/app";
        for inside in [
            listed,
            "https://APP.example.com:443/app/",
            "https://app.example.com/app/x?y=1#z",
            "https://app.example.com/app?x",
        ] {
            assert!(allows(listed, inside), "{inside}");
        }
        for outside in [
            "https://app.example.com/apple",
            "https://app.example.com/",
            "https://app.example.com/APP",
            "http://app.example.com/app",
            "https://app.example.com:444/app",
            "https://app.example.com.evil.test/app",
            "https://evil.test/app",
            "https://app.example.com@evil.test/app",
            "https://evil.test#https://app.example.com/app",
            "https://app.example.com/app;x",
            "https://evil.test/?https://app.example.com/app",
            "https://app.example.com/x/app",
            "https://sub.app.example.com/app",
        ] {
            assert!(!allows(listed, outside), "{outside}");
        }
        assert!(allows("https://app.example.com", "https://app.example.com/any/thing"));
        assert!(!allows("https://app.example.com", "https://app.example.com.evil.test/"));
        assert!(allows("myapp://callback", "myapp://callback") && !allows("myapp://callback", "myapp://callback/x"));
    }

    #[test]
    fn what_parsers_read_in_two_ways_is_no_address() {
        for bad in [
            "https://app.example.com/app/../admin",
            "https://app.example.com/app/..",
            "https://app.example.com/app/%2e%2e/admin",
            "https://app.example.com/app/.%2E/admin",
            "https://app.example.com/app/..%2fadmin",
            "https://app.example.com/app/%252e%252e/admin",
            "https://app.example.com/app/..%5cadmin",
            "https://app.example.com\\@evil.test/app",
            "https:\\\\evil.test/app",
            "https:/evil.test",
            "https://user@app.example.com/app",
            "https://user:pass@app.example.com/app",
            "https://@app.example.com/app",
            "https://app.example.com/app\t",
            "https://app.exa\nmple.com/app",
            " https://app.example.com/app",
            "https://app.example.com/app\u{a0}",
            "https:////evil.test",
            "//evil.test",
            "/app",
            "https://app.example.com/app/..;/admin",
            "",
        ] {
            assert_eq!(Target::parse(bad), None, "{bad:?}");
        }
        assert!(
            Target::parse("https://app.example.com/a..b/c...d?next=../x#../y").is_some(),
            "two dots inside a name go nowhere"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_stays(text in "\\PC{0,60}|https?://[a-z.@:/%2e\\\\?#;]{0,40}") {
            if let Some(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(target.as_str()), Some(target.clone()));
                if let Ok(listed) = entry(&text, EnvironmentKind::Development) {
                    prop_assert!(target.entries().contains(&listed), "{listed}");
                }
            }
        }
    }
}
