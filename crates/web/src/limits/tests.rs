use super::*;
use crate::sample::environment;
use actix_web::http::Method;

fn take(limits: &Limits, bucket: Bucket, kind: EnvironmentKind, key: &str) -> Result<Rate, (Rate, u64)> {
    limits.take(bucket.name(), bucket.allowance(), &environment(kind, &[]), &key, 1_000)
}

#[test]
fn a_full_bucket_refuses_and_says_when_to_come_back() {
    let limits = Limits::new(LimitSettings::default());
    for remaining in [4, 3, 2, 1, 0] {
        let rate = take(&limits, Bucket::SignInCreate, EnvironmentKind::Production, "a").unwrap();
        assert_eq!((rate.limit, rate.remaining), (5, remaining));
        assert!(rate.reset > 1_000);
    }

    let (rate, seconds) = take(&limits, Bucket::SignInCreate, EnvironmentKind::Production, "a").unwrap_err();

    assert_eq!((rate.limit, rate.remaining), (5, 0));
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(rate.reset, 1_000 + i64::try_from(seconds).unwrap());
}

#[test]
fn buckets_keys_and_environments_are_counted_apart() {
    let limits = Limits::new(LimitSettings::default());
    let production = EnvironmentKind::Production;
    while take(&limits, Bucket::ChallengeCreate, production, "a").is_ok() {}

    assert!(take(&limits, Bucket::ChallengeCreate, production, "b").is_ok());
    assert!(take(&limits, Bucket::ChallengeAnswer, production, "a").is_ok(), "of the same size, but another bucket");
    let mut other = environment(production, &[]);
    other.id = domain::NewId::new(crate::sample::NOW, [9; 10]);
    assert!(limits.take(Bucket::ChallengeCreate.name(), Bucket::ChallengeCreate.allowance(), &other, &"a", 0).is_ok());
}

#[test]
fn development_and_staging_allow_a_hundred_times_as_much() {
    let limits = Limits::new(LimitSettings::default());
    for kind in [EnvironmentKind::Development, EnvironmentKind::Staging] {
        assert_eq!(take(&limits, Bucket::SignInCreate, kind, "a").unwrap().limit, 500);
    }
}

#[test]
fn an_operator_sets_a_bucket_by_its_name() {
    let mut settings = LimitSettings::default();
    settings.buckets.insert("sign_ins.create".into(), Allowance::new(1, 60));
    let limits = Limits::new(settings);

    assert!(take(&limits, Bucket::SignInCreate, EnvironmentKind::Production, "a").is_ok());
    assert!(take(&limits, Bucket::SignInCreate, EnvironmentKind::Production, "a").is_err());
    assert_eq!(take(&limits, Bucket::SignUpCreate, EnvironmentKind::Production, "a").unwrap().limit, 5);
}

#[test]
fn a_quarter_of_an_allowance_is_something() {
    assert_eq!(Allowance::new(500, 10).quarter(), Allowance::new(125, 10));
    assert_eq!(Allowance::new(5, 10).quarter(), Allowance::new(1, 10));
    assert_eq!(Allowance::new(1, 10).quarter(), Allowance::new(1, 10));
}

#[test]
fn idle_buckets_are_forgotten_and_used_ones_are_not() {
    let mut settings = LimitSettings::default();
    settings.buckets.insert("tokens.mint".into(), Allowance::new(1_000_000, 1));
    let limits = Limits::new(settings);
    take(&limits, Bucket::SignInCreate, EnvironmentKind::Production, "busy").unwrap();
    take(&limits, Bucket::TokenMint, EnvironmentKind::Production, "idle").unwrap();
    assert_eq!(limits.held(), 2);
    // A millionth of a second refills the idle one; the busy one needs two.
    let started = std::time::Instant::now();
    while started.elapsed().as_millis() < 5 {
        std::hint::spin_loop();
    }

    limits.forget_idle();

    assert_eq!(limits.held(), 1);
}

#[test]
fn a_peer_is_an_address_or_a_network_of_64_bits() {
    let of = |text: &str| peer(Some(text.parse().unwrap()));
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_ne!(of("203.0.113.1"), of("203.0.113.2"));
    assert_eq!(of("::ffff:203.0.113.1"), of("203.0.113.1"));
}

#[test]
fn every_backend_route_has_the_bucket_of_the_contract() {
    for (method, pattern, name, max) in [
        (Method::GET, "/v1/users", "users.read", 300),
        (Method::GET, "/v1/instance", "instance.read", 300),
        (Method::POST, "/v1/users", "users.create", 30),
        (Method::DELETE, "/v1/users/{user_id}", "users.destroy", 30),
        (Method::PATCH, "/v1/users/{user_id}", "users.update", 60),
        (Method::POST, "/v1/users/{user_id}/ban", "users.action", 60),
        (Method::POST, "/v1/users/{user_id}/verify-password", "users.verify", 60),
        (Method::POST, "/v1/users/{user_id}/profile-image", "users.image", 30),
        (Method::POST, "/v1/sessions/{session_id}/tokens", "sessions.tokens", 30),
        (Method::POST, "/v1/sessions/{session_id}/revoke", "sessions.action", 60),
        (Method::PATCH, "/v1/instance", "instance.update", 30),
        (Method::POST, "/v1/invitations/bulk", "invitations.bulk", 5),
        (Method::POST, "/v1/api-keys/{api_key_id}/rotate", "api_keys.rotate", 10),
        (Method::POST, "/v1/webhooks/endpoints", "webhooks.create", 30),
        (Method::PATCH, "/v1/webhooks/endpoints/{endpoint_id}", "webhooks.update", 60),
        (Method::POST, "/v1/webhooks/endpoints/{endpoint_id}/rotate-secret", "webhooks.rotate", 10),
        (Method::POST, "/v1/webhooks/deliveries/{delivery_id}/replay", "webhooks.replay", 30),
        (Method::GET, "/v1/admin/projects/{project_id}", "admin.projects.read", 300),
        (Method::POST, "/v1/admin/projects", "admin.projects.create", 30),
        (Method::POST, "/v1/admin/projects/{project_id}/environments", "admin.environments.create", 30),
        (Method::DELETE, "/v1/admin/environments/{environment_id}", "admin.environments.destroy", 30),
        (Method::POST, "/v1/admin/environments/{environment_id}/api-keys", "admin.api_keys.create", 30),
        (Method::POST, "/v1/admin/environments/{environment_id}/signing-keys/rotate", "admin.signing_keys.rotate", 10),
        (Method::POST, "/v1/allowlist-identifiers", "allowlist_identifiers.create", 60),
    ] {
        let (found, allowance) = bucket_of_route(&method, pattern);
        assert_eq!((found.as_str(), allowance.max), (name, max), "{method} {pattern}");
    }
}
