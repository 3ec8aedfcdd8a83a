//! Which sites may talk to a tenant from a browser (the Fetch standard's CORS, and a check of our own
//! against forged writes).

use crate::cookies;
use crate::error::ApiError;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, VARY,
};
use domain::environment::Environment;
use domain::origin::Origin;
use domain::{Kind, Problem, code};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
const REQUEST_HEADERS: &str = "Content-Type, Authorization, X-Requested-With, Idempotency-Key, X-Tenant-ID";
const READABLE_HEADERS: HeaderValue = HeaderValue::from_static("X-Authn-Request-Id, Retry-After");

/// How many requested headers are echoed.
const ECHO_MAX: usize = 16;

/// Documents that every site may read, because they hold nothing of anybody.
fn is_open(path: &str) -> bool {
    path.starts_with("/.well-known/") || path.starts_with("/v1/localization/")
}

/// Writes that prove themselves by something a foreign site cannot have.
fn is_exempt(path: &str) -> bool {
    matches!(
        path,
        "/oauth/token" | "/oauth/token_info" | "/oauth/revoke" | "/oauth/userinfo" | "/v1/enterprise-sso-callback"
    ) || path.starts_with("/.well-known/")
        || path.starts_with("/scim/")
        || path.starts_with("/v1/oauth-callback/")
        || (path.starts_with("/v1/saml/") && path.ends_with("/acs"))
}

/// Writes that only the tenant's own pages make.
fn is_own_only(path: &str) -> bool {
    path == "/v1/client/handshake"
        || (path.starts_with("/oauth/consent/") && (path.ends_with("/accept") || path.ends_with("/deny")))
}

/// The site a request comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// Nothing says so.
    Silent,
    /// Something says so that is no origin, such as `null`.
    Opaque(String),
    Site(Origin),
}

fn source(headers: &HeaderMap) -> Source {
    let mut origins = headers.get_all(ORIGIN);
    if let Some(value) = origins.next() {
        let text = value.to_str().unwrap_or_default();
        return match Origin::parse(text) {
            Ok(origin) if origins.next().is_none() => Source::Site(origin),
            _ => Source::Opaque(text.chars().take(256).collect()),
        };
    }
    let Some(referer) = headers.get(REFERER) else { return Source::Silent };
    let site = referer.to_str().ok().and_then(|text| url::Url::parse(text).ok()).and_then(|url| Origin::of_url(&url));
    site.map_or_else(|| Source::Opaque(String::new()), Source::Site)
}

/// Whether an origin stands in the environment's list letter for letter, in the one form that browsers send: then
/// nothing has to be parsed. What this does not see is looked at in full.
fn is_listed(env: &Environment, text: &str) -> bool {
    let plain = |text: &str| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| {
            let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':');
            !rest.is_empty() && rest.bytes().all(letters)
        })
    };
    env.settings.allowed_origins.iter().any(|listed| listed == text) && plain(text)
}

/// Refuses a write that a foreign site made a browser send.
pub(crate) fn check_origin(
    env: &Environment,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    is_bearer: bool,
) -> Result<(), ApiError> {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // With a bearer the cookies are not looked at, so there is nothing to forge.
    if is_read || is_bearer || is_exempt(path) {
        return Ok(());
    }
    let mut origins = headers.get_all(ORIGIN);
    if let (Some(only), None) = (origins.next(), origins.next())
        && !is_own_only(path)
        && only.to_str().is_ok_and(|text| is_listed(env, text))
    {
        return Ok(());
    }
    let source = source(headers);
    let allowed = match &source {
        Source::Site(origin) if is_own_only(path) => env.own_origin().as_ref() == Some(origin),
        Source::Site(origin) => env.allows_origin(origin),
        Source::Opaque(_) => false,
        // Browsers always say where a write comes from; what says nothing and carries no cookie is none.
        Source::Silent => {
            let is_browser = cookies::sends_ours(headers) || headers.contains_key(SEC_FETCH_SITE);
            !is_browser || path == "/v1/client" && matches!(*method, Method::PUT | Method::DELETE)
        }
    };
    if allowed {
        return Ok(());
    }
    let shown = match source {
        Source::Silent => None,
        Source::Opaque(text) => Some(text),
        Source::Site(origin) => Some(origin.to_string()),
    };
    let problem = Problem { kind: Kind::Forbidden, code: code::ORIGIN_INVALID, meta: serde_json::Map::new() };
    Err(ApiError::problem(problem.with("origin", shown).with("allowed", env.settings.allowed_origins.clone())))
}

/// Adds what lets a script read an answer, when its site may.
pub(crate) fn answer(env: &Environment, path: &str, request: &HeaderMap, headers: &mut HeaderMap) {
    if is_open(path) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return;
    }
    // Whatever the answer: a cache must not give one site's to another.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(value) = request.get(ORIGIN) else { return };
    let Ok(text) = value.to_str() else { return };
    let echo = match is_listed(env, text) {
        true => Some(value.clone()),
        false => {
            let allowed = Origin::parse(text).ok().filter(|origin| env.allows_origin(origin));
            allowed.and_then(|origin| HeaderValue::from_str(&origin.to_string()).ok())
        }
    };
    let Some(echo) = echo else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, echo);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE_HEADERS);
}

/// Adds the answer to a browser that asks before it sends.
pub(crate) fn preflight(env: &Environment, path: &str, request: &HeaderMap, headers: &mut HeaderMap) {
    answer(env, path, request, headers);
    if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    if let Ok(value) = HeaderValue::from_str(&allowed_headers(request)) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
    }
}

/// The headers a script may send; browsers expand no pattern, so ours are echoed by name.
fn allowed_headers(request: &HeaderMap) -> String {
    let wanted = request.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let ours = wanted.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| {
        name.starts_with("authn-") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    ours.take(ECHO_MAX).fold(REQUEST_HEADERS.to_owned(), |list, name| format!("{list}, {name}"))
}

#[cfg(test)]
mod tests;
