//! The cookies of one browser, in clear, so that an attack can read, copy and plant them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A `Set-Cookie` header, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// The cookie's value; empty when it is cleared.
    pub value: String,
    /// The attributes, names in lower case; an attribute without value has an empty one.
    pub attributes: BTreeMap<String, String>,
}

impl SetCookie {
    /// Reads a header value; `None` when it is no cookie.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let attributes = parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Some(Self { name: name.to_owned(), value: value.to_owned(), attributes: attributes.collect() })
    }

    /// An attribute's value, by its name in lower case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether the browser is told to forget the cookie.
    pub fn clears(&self) -> bool {
        self.attribute("max-age").is_some_and(|age| age.parse::<i64>().is_ok_and(|age| age <= 0))
    }
}

/// The cookies that a browser would send; clones are the same jar.
#[derive(Debug, Clone, Default)]
pub struct Jar(Arc<Mutex<BTreeMap<String, String>>>);

impl Jar {
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cookie's value.
    pub fn get(&self, name: &str) -> Option<String> {
        self.held().get(name).cloned()
    }

    /// Plants a cookie.
    pub fn set(&self, name: &str, value: &str) {
        self.held().insert(name.to_owned(), value.to_owned());
    }

    /// Forgets a cookie.
    pub fn remove(&self, name: &str) {
        self.held().remove(name);
    }

    /// Another jar with the same cookies: a stolen profile.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.held().clone())))
    }

    /// Takes over what an answer sets and clears.
    pub(crate) fn take(&self, cookies: &[SetCookie]) {
        for cookie in cookies {
            if cookie.clears() {
                self.remove(&cookie.name);
            } else {
                self.set(&cookie.name, &cookie.value);
            }
        }
    }

    /// The value of the `Cookie` header, if any is sent.
    pub(crate) fn header(&self) -> Option<String> {
        let pairs: Vec<String> = self.held().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_keeps_what_is_set_and_forgets_what_is_cleared() {
        let jar = Jar::default();
        let set = SetCookie::parse("__client=a.b; Path=/x; HttpOnly; Max-Age=60").unwrap();
        assert_eq!((set.attribute("path"), set.attribute("httponly"), set.clears()), (Some("/x"), Some(""), false));
        jar.take(&[set]);
        assert_eq!(jar.header().as_deref(), Some("__client=a.b"));
        jar.take(&[SetCookie::parse("__client=; Max-Age=0").unwrap()]);
        assert_eq!(jar.header(), None);
    }
}
