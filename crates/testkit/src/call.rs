//! A request on its way: built in a chain, sent by awaiting it.

use crate::caller::Caller;
use crate::jar::SetCookie;
use crate::reply::Reply;
use reqwest::Method;
use serde_json::Value;
use std::pin::Pin;

/// A request that is sent when it is awaited; the answer is checked against the documents.
#[derive(Debug, Clone)]
#[must_use = "a call does nothing until it is awaited"]
pub struct Call {
    caller: Caller,
    method: Method,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    origin: Option<String>,
    cookies: bool,
}

impl Call {
    pub(crate) fn new(caller: Caller, method: Method, path: String) -> Self {
        let origin = caller.origin.clone();
        Self { caller, method, path, headers: Vec::new(), body: None, origin, cookies: true }
    }

    /// A JSON body.
    pub fn json(self, body: Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// A body as it is, with its content type; an empty content type is not sent.
    pub fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        if content_type.is_empty() { self } else { self.header("content-type", content_type) }
    }

    /// One more header; the bytes are sent as they are.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// A session token as `Authorization: Bearer`; the cookies of the jar still go along.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Another `Origin` than the caller's own.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.to_owned());
        self
    }

    /// No `Origin` at all, as programs that are no browser send.
    pub fn without_origin(mut self) -> Self {
        self.origin = None;
        self
    }

    /// None of the jar's cookies.
    pub fn without_cookies(mut self) -> Self {
        self.cookies = false;
        self
    }

    /// An `Idempotency-Key`.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    async fn send(self) -> Reply {
        let caller = &self.caller;
        let request = format!("{} {}", self.method, self.path);
        let mut builder = caller.http.request(self.method.clone(), format!("{}{}", caller.base, self.path));
        if let Some(origin) = &self.origin {
            builder = builder.header("origin", origin);
        }
        if let Some(cookies) = caller.jar.as_ref().filter(|_| self.cookies).and_then(crate::Jar::header) {
            builder = builder.header("cookie", cookies);
        }
        let named = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if let Some(key) = caller.authorization.as_ref().filter(|_| !named("authorization")) {
            builder = builder.header("authorization", key);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_slice());
        }
        if let Some(body) = self.body {
            builder = builder.body(body);
        }
        let response = builder.send().await.unwrap_or_else(|error| panic!("{request}: no answer: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body =
            response.bytes().await.unwrap_or_else(|error| panic!("{request}: broken answer: {error:?}")).to_vec();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let reply = Reply { request, status, headers, body, json };
        if let Some(jar) = &caller.jar {
            let cookies: Vec<SetCookie> = reply.set_cookies();
            jar.take(&cookies);
        }
        if let Err(problem) = crate::documents::check(caller.surface, &self.method, &self.path, &reply) {
            panic!("{}: {problem}\nanswer: {} {}", reply.request, reply.status, reply.text());
        }
        reply
    }
}

impl IntoFuture for Call {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
