use super::*;
use crate::sample::environment;
use domain::environment::EnvironmentKind;

const OURS: &str = "https://app.example.com";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn check(method: Method, path: &str, pairs: &[(&str, &str)]) -> Result<(), ApiError> {
    let env = environment(EnvironmentKind::Production, &[OURS]);
    check_origin(&env, &method, path, &headers(pairs), false)
}

fn passes(method: Method, path: &str, pairs: &[(&str, &str)]) -> bool {
    check(method, path, pairs).is_ok()
}

#[test]
fn a_write_from_a_foreign_site_is_refused() {
    let error = check(Method::POST, "/v1/client/sign-ins", &[("origin", "https://evil.example")]).unwrap_err();
    let problem = &error.refused()[0];

    assert_eq!((problem.kind, problem.code), (Kind::Forbidden, code::ORIGIN_INVALID));
    assert_eq!(problem.meta["origin"], "https://evil.example");
    assert_eq!(problem.meta["allowed"], serde_json::json!([OURS]));
    for source in
        ["null", "https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:8443"]
    {
        assert!(!passes(Method::POST, "/v1/me", &[("origin", source)]), "{source}");
    }
}

#[test]
fn a_write_from_our_site_or_the_tenants_own_pages_passes() {
    assert!(passes(
        Method::POST,
        "/v1/client/sign-ins",
        &[("origin", "https://APP.example.com:443"), ("cookie", "__client=x")]
    ));
    assert!(passes(Method::POST, "/v1/client/sign-ins", &[("origin", "https://id.example.com")]));
    assert!(passes(Method::PATCH, "/v1/me", &[("referer", "https://app.example.com/profile?x=1")]));
    assert!(!passes(Method::PATCH, "/v1/me", &[("referer", "https://evil.example/https://app.example.com/")]));
    assert!(!passes(
        Method::PATCH,
        "/v1/me",
        &[("origin", "https://evil.example"), ("referer", "https://app.example.com/")]
    ));
}

#[test]
fn two_origins_are_no_origin() {
    assert!(!passes(Method::POST, "/v1/me", &[("origin", OURS), ("origin", OURS)]));
}

#[test]
fn what_no_browser_sent_passes_and_what_carries_a_cookie_does_not() {
    assert!(passes(Method::POST, "/v1/client/sign-ins", &[]));
    assert!(!passes(Method::POST, "/v1/client/sign-ins", &[("cookie", "__client=x")]));
    assert!(!passes(Method::POST, "/v1/client/sign-ins", &[("cookie", "a=b; __session=x")]));
    assert!(!passes(Method::POST, "/v1/client/sign-ins", &[("sec-fetch-site", "cross-site")]));
    assert!(passes(Method::POST, "/v1/client/sign-ins", &[("cookie", "theirs=x")]));
}

#[test]
fn reads_and_bearers_pass() {
    let foreign = [("origin", "https://evil.example"), ("cookie", "__client=x")];
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert!(passes(method, "/v1/me", &foreign));
    }
    let env = environment(EnvironmentKind::Production, &[OURS]);
    assert!(check_origin(&env, &Method::POST, "/v1/me", &headers(&foreign), true).is_ok());
}

#[test]
fn the_clients_own_route_passes_without_an_origin_and_never_with_a_foreign_one() {
    for method in [Method::PUT, Method::DELETE] {
        assert!(passes(method.clone(), "/v1/client", &[("cookie", "__client=x")]));
        assert!(!passes(method, "/v1/client", &[("origin", "https://evil.example")]));
    }
    assert!(!passes(Method::POST, "/v1/client", &[("cookie", "__client=x")]));
}

#[test]
fn the_handshake_and_the_consent_take_the_tenants_own_pages_only() {
    for path in ["/v1/client/handshake", "/oauth/consent/oareq_1/accept", "/oauth/consent/oareq_1/deny"] {
        assert!(passes(Method::POST, path, &[("origin", "https://id.example.com")]), "{path}");
        assert!(!passes(Method::POST, path, &[("origin", OURS)]), "{path}");
    }
}

#[test]
fn only_the_listed_routes_are_exempt() {
    let foreign = [("origin", "https://evil.example")];
    for path in [
        "/oauth/token",
        "/oauth/token_info",
        "/oauth/revoke",
        "/oauth/userinfo",
        "/scim/v2/Users",
        "/v1/saml/entcon_1/acs",
        "/v1/oauth-callback/apple",
    ] {
        assert!(passes(Method::POST, path, &foreign), "{path}");
    }
    for path in
        ["/oauth/tokens", "/oauth/token/", "//oauth/token", "/oauth%2Ftoken", "/v1/scim/", "/v1/saml/x", "/OAUTH/TOKEN"]
    {
        assert!(!passes(Method::POST, path, &foreign), "{path}");
    }
}

fn answered(kind: EnvironmentKind, allowed: &str, path: &str, origin: &str) -> HeaderMap {
    let mut out = HeaderMap::new();
    answer(&environment(kind, &[allowed]), path, &headers(&[("origin", origin)]), &mut out);
    out
}

#[test]
fn an_origin_is_echoed_only_when_it_is_allowed() {
    let out = answered(EnvironmentKind::Production, OURS, "/v1/client", OURS);
    assert_eq!(out.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), OURS);
    assert_eq!(out.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).unwrap(), "true");
    assert_eq!(out.get(VARY).unwrap(), "Origin");

    let out = answered(EnvironmentKind::Production, OURS, "/v1/client", "https://evil.example");
    assert!(out.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none() && out.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
    assert_eq!(out.get(VARY).unwrap(), "Origin");
}

#[test]
fn any_port_is_for_development_alone() {
    let port = |kind| {
        answered(kind, "http://localhost:*", "/v1/client", "http://localhost:5173")
            .contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    };
    assert!(port(EnvironmentKind::Development));
    assert!(!port(EnvironmentKind::Staging) && !port(EnvironmentKind::Production));
}

#[test]
fn public_documents_are_open_to_every_site_and_carry_no_credentials() {
    for path in ["/.well-known/jwks.json", "/v1/localization/en"] {
        let out = answered(EnvironmentKind::Production, OURS, path, "https://evil.example");
        assert_eq!(out.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(!out.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }
}

#[test]
fn a_preflight_names_our_headers_one_by_one() {
    let request = headers(&[("origin", OURS)]);
    let mut out = HeaderMap::new();
    preflight(&environment(EnvironmentKind::Production, &[OURS]), "/v1/me", &request, &mut out);
    assert_eq!(out.get(ACCESS_CONTROL_ALLOW_METHODS).unwrap(), "GET, POST, PUT, PATCH, DELETE, OPTIONS");
    assert_eq!(out.get(ACCESS_CONTROL_MAX_AGE).unwrap(), "86400");

    let asked = headers(&[("access-control-request-headers", "content-type, Authn-Version, x-evil, authn-*")]);
    let allowed = allowed_headers(&asked);
    assert!(allowed.ends_with(", authn-version"), "{allowed}");
    assert!(allowed.contains("Idempotency-Key"));
}

#[test]
fn a_preflight_of_a_foreign_site_hears_nothing() {
    let mut out = HeaderMap::new();
    preflight(
        &environment(EnvironmentKind::Production, &[OURS]),
        "/v1/me",
        &headers(&[("origin", "https://evil.example")]),
        &mut out,
    );
    assert!(!out.contains_key(ACCESS_CONTROL_ALLOW_METHODS) && !out.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}
