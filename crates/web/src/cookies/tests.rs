use super::*;
use crate::sample::environment;
use actix_web::http::header::HeaderName;
use domain::environment::EnvironmentKind;
use domain::{ClientId, NewId};
use proptest::prelude::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
    }
    headers
}

fn written(jar: &Jar, env: &Environment) -> Vec<String> {
    jar.headers(env).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
}

fn device() -> DeviceCookie {
    DeviceCookie { client_id: ClientId::new(crate::sample::NOW, [7; 10]), secret: Secret::new("s3cret".into()) }
}

#[test]
fn a_cookie_is_found_among_others() {
    let headers = headers(&["a=b; __client=c.d ; __session=x=y", "z=1"]);
    assert_eq!(read(&headers, CLIENT), Some("c.d"));
    assert_eq!(read(&headers, SESSION), Some("x=y"));
    assert_eq!(read(&headers, "__CLIENT"), None);
}

#[test]
fn two_cookies_of_one_name_are_none() {
    assert_eq!(read(&headers(&["__client=a; __client=b"]), CLIENT), None);
    assert_eq!(read(&headers(&["__client=a", "__client=a"]), CLIENT), None, "even over two headers, even alike");
    assert_eq!(read(&headers(&["__client="]), CLIENT), None);
}

#[test]
fn any_cookie_of_ours_counts_for_the_origin_rule() {
    assert!(sends_ours(&headers(&["x=1;__session=broken"])));
    assert!(sends_ours(&headers(&["__client=a; __client=b"])), "even those that count as none");
    assert!(!sends_ours(&headers(&["x__client=1; other=__client"])));
}

#[test]
fn cookies_are_bound_to_the_tenants_path_and_hidden_from_scripts() {
    let env = environment(EnvironmentKind::Production, &[]);
    let jar = Jar::default();
    jar.client.replace(Some(Change::Set(device().value())));
    jar.session.replace(Some(Change::Clear));

    let cookies = written(&jar, &env);

    let value = device().value();
    assert_eq!(
        cookies,
        [
            format!("__client={}; Path=/wise-otter; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure", value.expose()),
            "__session=; Path=/wise-otter; Max-Age=0; HttpOnly; SameSite=Lax; Secure".to_owned(),
        ]
    );
}

#[test]
fn cookies_travel_in_clear_only_where_the_tenant_has_no_tls() {
    let mut env = environment(EnvironmentKind::Development, &[]);
    env.issuer = "http://localhost:3000".into();
    let jar = Jar::default();
    jar.session.replace(Some(Change::Set(Secret::new("a.b.c".into()))));

    assert_eq!(written(&jar, &env), ["__session=a.b.c; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"]);
}

#[test]
fn a_late_tab_sets_no_cookie_whatever_its_handler_does() {
    let jar = Jar::default();
    jar.withhold();
    jar.set_client(&device());

    assert!(jar.headers(&environment(EnvironmentKind::Production, &[])).is_empty());
}

#[test]
fn a_value_that_no_header_can_carry_is_left_out() {
    let jar = Jar::default();
    jar.session.replace(Some(Change::Set(Secret::new("a\r\nSet-Cookie: x=y".into()))));

    assert!(jar.headers(&environment(EnvironmentKind::Production, &[])).is_empty());
}

proptest! {
    #[test]
    fn any_header_is_survived(line in prop::collection::vec(any::<u8>().prop_filter("header bytes", |b| *b >= 32 && *b != 127), 0..60)) {
        let mut headers = HeaderMap::new();
        headers.append(HeaderName::from_static("cookie"), HeaderValue::from_bytes(&line).unwrap());
        read(&headers, CLIENT);
        sends_ours(&headers);
    }
}
