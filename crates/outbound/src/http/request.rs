//! A request to a stranger, and what came back.

use crypto::Secret;
use reqwest::header::{HeaderMap, HeaderValue};
use std::time::Duration;

pub use reqwest::Method;

/// A request: what is not said stays at a careful default.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(String, Secret<String>)>,
    pub(super) body: Option<(&'static str, Secret<String>)>,
    pub(super) limit: usize,
    pub(super) cut: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) redirects: u8,
}

impl Request {
    /// Any method.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: None,
            limit: 256 * 1024,
            cut: false,
            timeout: None,
            redirects: 0,
        }
    }

    /// `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// One more header; a value that is no header value fails the request before it is sent.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), Secret::new(value.into())));
        self
    }

    /// `Authorization: Basic` (RFC 7617).
    #[must_use]
    pub fn basic(mut self, user: &str, password: &Secret<String>) -> Self {
        use base64::Engine as _;
        let pair = Secret::new(format!("{user}:{}", password.expose()));
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.expose()));
        self.headers.push(("authorization".to_owned(), Secret::new(value)));
        self
    }

    /// A body of form fields.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.body = Some(("application/x-www-form-urlencoded", Secret::new(body.finish())));
        self
    }

    /// A body of JSON, or of something else.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, text: String) -> Self {
        self.body = Some((content_type, Secret::new(text)));
        self
    }

    /// The most that is read of the answer's body; 256 KiB unless said.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads so many bytes of the answer's body and leaves the rest, where more would fail the request.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        (self.limit, self.cut) = (bytes, true);
        self
    }

    /// How long everything may take, from the look-up of the name to the last byte.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// So many redirects of a `GET` are followed, each checked like the first URL; none unless said.
    #[must_use]
    pub fn redirects(mut self, count: u8) -> Self {
        self.redirects = count.min(3);
        self
    }
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: u16,
    pub(super) headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status says that it worked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(HeaderValue::to_str)?.ok()
    }

    /// The body as JSON of a shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
