//! The bucket of every backend route, found from its method and pattern: a new route has one from its first day.

use super::settings::Allowance;
use actix_web::http::Method;

pub(super) const READ: Allowance = Allowance::new(300, 60);
pub(super) const CHANGE: Allowance = Allowance::new(60, 60);
const COSTLY: Allowance = Allowance::new(30, 60);
const ROTATE: Allowance = Allowance::new(10, 60);
const BULK: Allowance = Allowance::new(5, 60);

/// Every allowance that a route can have by default.
pub(super) const ALLOWANCES: [Allowance; 5] = [READ, CHANGE, COSTLY, ROTATE, BULK];

/// What the last segment of a `POST` that is no creation says about its bucket.
fn action(last: &str) -> (&'static str, Allowance) {
    match last {
        "rotate" | "rotate-secret" => ("rotate", ROTATE),
        "bulk" => ("bulk", BULK),
        "tokens" => ("tokens", COSTLY),
        "test" => ("test", COSTLY),
        "replay" => ("replay", COSTLY),
        "revert" => ("revert", COSTLY),
        "profile-image" | "logo" => ("image", COSTLY),
        "verify" | "verify-password" | "verify-totp" => ("verify", CHANGE),
        _ => ("action", CHANGE),
    }
}

/// The bucket of tokens by a template: counted for each person or session on its own.
pub(super) const TEMPLATE_MINT: &str = "jwt_templates.mint";

/// Whether a route mints by a template: of a session, or of a person who need not be signed in.
fn mints_by_template(segments: &[&str]) -> bool {
    matches!(segments, [.., "tokens", "{template_name}"] | [.., "jwt-templates", "{name}", "tokens"])
}

/// The name of a route's bucket, such as `users.create`, and what production allows in it.
pub(crate) fn bucket_of_route(method: &Method, pattern: &str) -> (String, Allowance) {
    let segments: Vec<&str> = pattern.trim_start_matches("/v1/").split('/').filter(|s| !s.is_empty()).collect();
    if mints_by_template(&segments) {
        return (TEMPLATE_MINT.to_owned(), COSTLY);
    }
    if let ["admin", rest @ ..] = segments.as_slice() {
        return of_operators(method, rest);
    }
    let group = segments.first().copied().unwrap_or("other").replace('-', "_");
    let last = segments.last().copied().unwrap_or_default();
    let (verb, allowance) = match *method {
        Method::GET | Method::HEAD => ("read", READ),
        Method::DELETE => ("destroy", destruction(&group)),
        Method::PATCH | Method::PUT if group == "instance" => ("update", COSTLY),
        Method::PATCH | Method::PUT => ("update", CHANGE),
        _ if segments.len() <= 1 || segments == ["webhooks", "endpoints"] => ("create", creation(&group)),
        _ => action(last),
    };
    (format!("{group}.{verb}"), allowance)
}

/// Lists are emptied row by row, as they are filled.
fn destruction(group: &str) -> Allowance {
    match group {
        "allowlist_identifiers" | "blocklist_identifiers" | "redirect_urls" => CHANGE,
        _ => COSTLY,
    }
}

/// The same below `/v1/admin`, by what is made or changed there.
fn of_operators(method: &Method, segments: &[&str]) -> (String, Allowance) {
    let named = || segments.iter().rev().filter(|segment| !segment.starts_with('{'));
    let last = segments.last().copied().unwrap_or_default();
    let made_of = |group: Option<&&str>| group.copied().unwrap_or("other").replace('-', "_");
    let (group, verb, allowance) = match *method {
        Method::GET | Method::HEAD => (made_of(named().next()), "read", READ),
        Method::DELETE => (made_of(named().next()), "destroy", COSTLY),
        Method::PATCH | Method::PUT => (made_of(named().next()), "update", CHANGE),
        _ if ["rotate", "revoke"].contains(&last) => {
            let (verb, allowance) = action(last);
            (made_of(named().nth(1)), verb, allowance)
        }
        _ => (made_of(named().next()), "create", COSTLY),
    };
    (format!("admin.{group}.{verb}"), allowance)
}

/// Lists of identifiers and URLs are filled row by row; everything else is made one at a time.
fn creation(group: &str) -> Allowance {
    match group {
        "allowlist_identifiers" | "blocklist_identifiers" | "redirect_urls" | "phone_numbers" => CHANGE,
        _ => COSTLY,
    }
}
