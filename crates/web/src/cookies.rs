//! The two cookies of a browser: `__client` names the device, `__session` carries a token for the FAPI alone.

use crate::error::ApiError;
use crate::state::RequestState;
use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest};
use crypto::Secret;
use domain::environment::Environment;
use engine::callers::DeviceCookie;
use std::cell::{Cell, RefCell};
use std::future::{Ready, ready};
use std::rc::Rc;

/// The cookie that names the device.
pub const CLIENT: &str = "__client";

/// The cookie that carries a session token.
pub const SESSION: &str = "__session";

/// 365 days, renewed whenever the cookie is set.
const CLIENT_SECONDS: u32 = 365 * 86_400;

/// A day: as long as the token in it lives.
const SESSION_SECONDS: u32 = 86_400;

/// Reads a cookie. Two of one name are none: one of them was planted, and nobody can tell which.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = None;
    for header in headers.get_all(COOKIE) {
        // Not `to_str`: it looks at a kilobyte byte by byte, and only the one value has to be plain.
        for pair in std::str::from_utf8(header.as_bytes()).ok()?.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            if key.trim() != name {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(value.trim());
        }
    }
    found.filter(|value| !value.is_empty() && value.bytes().all(|b| matches!(b, b' '..=b'~')))
}

/// Whether the request carries any cookie of ours, valid or not.
pub(crate) fn sends_ours(headers: &HeaderMap) -> bool {
    headers.get_all(COOKIE).any(|header| {
        // Bytes, not text: a header that cannot be read still counts as one that was sent.
        header.as_bytes().split(|b| *b == b';').any(|pair| {
            let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
            name == CLIENT.as_bytes() || name == SESSION.as_bytes()
        })
    })
}

enum Change {
    Set(Secret<String>),
    Clear,
}

/// The changes of one request, written by the edge on whatever answer leaves.
#[derive(Default)]
pub(crate) struct Jar {
    client: RefCell<Option<Change>>,
    session: RefCell<Option<Change>>,
    withheld: Cell<bool>,
}

impl Jar {
    /// Gives the browser the device's cookie.
    pub fn set_client(&self, cookie: &DeviceCookie) {
        self.client.replace(Some(Change::Set(cookie.value())));
    }

    /// Sets no cookie on this answer: a late tab must not overwrite the newer value of another.
    pub fn withhold(&self) {
        self.withheld.set(true);
    }

    /// The `Set-Cookie` headers.
    pub fn headers(&self, env: &Environment) -> Vec<HeaderValue> {
        if self.withheld.get() {
            return Vec::new();
        }
        let cookies = [(CLIENT, CLIENT_SECONDS, self.client.take()), (SESSION, SESSION_SECONDS, self.session.take())];
        let written = cookies.into_iter().filter_map(|(name, seconds, change)| write(env, name, seconds, change?));
        written.collect()
    }
}

fn write(env: &Environment, name: &str, seconds: u32, change: Change) -> Option<HeaderValue> {
    let path = env.cookie_path();
    let secure = if env.is_secure() { "; Secure" } else { "" };
    let text = match change {
        Change::Set(value) => {
            let value = value.expose();
            Secret::new(format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"))
        }
        Change::Clear => Secret::new(format!("{name}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax{secure}")),
    };
    let value = HeaderValue::from_str(text.expose()).ok();
    if value.is_none() {
        tracing::error!(cookie.name = name, "a cookie has a value that no header can carry");
    }
    value
}

/// Changes the cookies of the answer, whether it succeeds or not.
pub struct Cookies(Rc<RequestState>);

impl Cookies {
    /// Gives the browser the device's cookie.
    pub fn set_client(&self, cookie: &DeviceCookie) {
        self.0.jar.set_client(cookie);
    }

    /// Takes the device's cookie away, and the session's with it.
    pub fn clear_client(&self) {
        self.0.jar.client.replace(Some(Change::Clear));
        self.clear_session();
    }

    /// Gives the browser a session token for the FAPI.
    pub fn set_session(&self, token: impl Into<String>) {
        self.0.jar.session.replace(Some(Change::Set(Secret::new(token.into()))));
    }

    /// Takes the session token away.
    pub fn clear_session(&self) {
        self.0.jar.session.replace(Some(Change::Clear));
    }
}

impl FromRequest for Cookies {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(RequestState::of(req).map(Self))
    }
}

#[cfg(test)]
mod tests;
