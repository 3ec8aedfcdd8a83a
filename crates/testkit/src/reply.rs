//! What came back.

use crate::jar::SetCookie;
use crate::subset::difference;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The request it answers, for messages: `POST /v1/users`.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// `Value::Null` when the body is empty or no JSON.
    pub(crate) json: Value,
}

impl Reply {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body as JSON; null when it is empty or something else.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Everything the answer sets or clears.
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        let values = self.headers.get_all("set-cookie").iter();
        values.filter_map(|value| value.to_str().ok().and_then(SetCookie::parse)).collect()
    }

    /// One cookie the answer sets or clears.
    pub fn set_cookie(&self, name: &str) -> Option<SetCookie> {
        self.set_cookies().into_iter().find(|cookie| cookie.name == name)
    }

    /// The value at a JSON pointer, such as `/response/id`.
    #[track_caller]
    pub fn at(&self, pointer: &str) -> &Value {
        let found = self.json.pointer(pointer);
        found.unwrap_or_else(|| panic!("{}: nothing at {pointer} of {}", self.request, self.text()))
    }

    /// The text at a JSON pointer.
    #[track_caller]
    pub fn str(&self, pointer: &str) -> String {
        let value = self.at(pointer);
        value.as_str().unwrap_or_else(|| panic!("{}: no text at {pointer}: {value}", self.request)).to_owned()
    }

    /// The codes of the errors, in order; empty for an answer that is no error.
    pub fn codes(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["code"].as_str()).collect()
    }

    /// The parameters that the errors name, in order.
    pub fn params(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["meta"]["param"].as_str()).collect()
    }

    /// Asserts the status and that the body holds at least this.
    #[track_caller]
    pub fn is(&self, status: u16, expected: Value) -> &Self {
        self.has_status(status);
        if let Some(difference) = difference(&expected, &self.json) {
            panic!("{}: {difference}\nwhole body: {}", self.request, self.text());
        }
        self
    }

    /// Asserts the status.
    #[track_caller]
    pub fn has_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text());
        self
    }

    /// Asserts that it is a refusal with this status, and this code among its errors.
    #[track_caller]
    pub fn is_refused(&self, status: u16, code: &str) -> &Self {
        let found = self.status == status && self.codes().contains(&code);
        assert!(found, "{}: expected {status} {code}, got {} {}", self.request, self.status, self.text());
        self
    }

    /// Asserts that it is a refusal that names this parameter with this code.
    #[track_caller]
    pub fn is_refused_for(&self, status: u16, code: &str, param: &str) -> &Self {
        self.is_refused(status, code);
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = errors.iter().any(|error| error["code"] == code && error["meta"]["param"] == param);
        assert!(named, "{}: no {code} for {param}: {}", self.request, self.text());
        self
    }
}
