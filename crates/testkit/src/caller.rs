//! Callers are values: a browser, a backend, a person.

use crate::call::Call;
use crate::jar::Jar;
use crate::raw::Held;
use domain::Surface;
use reqwest::Method;
use serde_json::Value;

/// Somebody who calls: knows where, with which cookies and which key.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) http: reqwest::Client,
    pub(crate) surface: Surface,
    /// The URL before the path of the document.
    pub(crate) base: String,
    pub(crate) jar: Option<Jar>,
    /// The value of `Authorization`, unless a call brings its own.
    pub(crate) authorization: Option<String>,
    pub(crate) origin: Option<String>,
}

impl Caller {
    /// Any method.
    pub fn call(&self, method: Method, path: impl Into<String>) -> Call {
        Call::new(self.clone(), method, path.into())
    }

    /// `GET`.
    pub fn get(&self, path: impl Into<String>) -> Call {
        self.call(Method::GET, path)
    }

    /// `POST` with a JSON body.
    pub fn post(&self, path: impl Into<String>, body: Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// `POST` without a body.
    pub fn post_empty(&self, path: impl Into<String>) -> Call {
        self.call(Method::POST, path)
    }

    /// `PUT` with a JSON body.
    pub fn put(&self, path: impl Into<String>, body: Value) -> Call {
        self.call(Method::PUT, path).json(body)
    }

    /// `PUT` without a body.
    pub fn put_empty(&self, path: impl Into<String>) -> Call {
        self.call(Method::PUT, path)
    }

    /// `PATCH` with a JSON body.
    pub fn patch(&self, path: impl Into<String>, body: Value) -> Call {
        self.call(Method::PATCH, path).json(body)
    }

    /// `DELETE`.
    pub fn delete(&self, path: impl Into<String>) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Begins a request with a JSON body and keeps the body back.
    pub async fn holds(&self, method: Method, path: &str, body: Value) -> Held {
        let body = body.to_string();
        let place = self.base.strip_prefix("http://").unwrap_or(&self.base);
        let (authority, prefix) = place.split_once('/').map_or((place, String::new()), |(a, p)| (a, format!("/{p}")));
        let mut head = format!("{method} {prefix}{path} HTTP/1.1\r\nHost: {authority}\r\n");
        let cookies = self.jar.as_ref().and_then(Jar::header);
        for (name, value) in [("Origin", &self.origin), ("Cookie", &cookies), ("Authorization", &self.authorization)] {
            if let Some(value) = value {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let length = body.len();
        head.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        ));
        crate::raw::hold(&self.base, &head, body.as_bytes()).await
    }

    /// The cookies; a backend has an empty jar that stays empty.
    pub fn jar(&self) -> Jar {
        self.jar.clone().unwrap_or_default()
    }

    /// The same browser with a copy of its cookies: what a thief of the profile holds.
    #[must_use]
    pub fn stolen(&self) -> Self {
        Self { jar: self.jar.as_ref().map(Jar::copy), ..self.clone() }
    }

    /// The same caller with another `Authorization` value, sent as it is.
    #[must_use]
    pub fn with_authorization(&self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self.clone() }
    }

    /// The URL that paths are appended to.
    pub fn base(&self) -> &str {
        &self.base
    }
}
