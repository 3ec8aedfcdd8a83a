use super::*;
use domain::challenge::{Parent, Step};
use domain::email::Email;
use domain::environment::EnvironmentKind;
use domain::identifier::Identifier;
use domain::key::{ApiKeyKind, SigningKey, SigningKeyStatus};
use domain::session::{Activity, Factors, SessionStatus};
use domain::settings::Settings;
use domain::strategy::Strategy;
use domain::time::minutes;
use domain::user::{Lock, LockedBy, Person};
use domain::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(components(schemas(
    User, EmailAddress, Session, Client, SignIn, SignUp, Challenge, Environment, InstanceSettings, Envelope<User>, Page<User>,
    TotalCount, Token, Verified, ErrorResponse, Jwks, ApiKey, EmailMessage, SmsMessage, EmailTemplate,
    SmsTemplate, EmailPreview, Event, EventPage, EventTypeList, AuditEntry
)))]
struct Document;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn id<I: NewId>() -> I {
    I::new(NOW, [7; 10])
}

fn settings() -> Settings {
    Settings::default()
}

fn person() -> Person {
    let mut user = domain::user::User::new(id(), NOW);
    user.primary_email_address_id = Some(id());
    user.first_name = Some("Ann".into());
    user.private_metadata = json!({ "plan": "gold" }).as_object().cloned().unwrap();
    let email = Email::parse("ann@example.com").unwrap();
    let address = domain::user::EmailAddress {
        id: id(),
        user_id: user.id,
        canonical: email.as_str().to_owned(),
        email,
        verified: true,
        current_challenge_id: None,
        created_at: NOW,
        updated_at: NOW,
    };
    Person { email_addresses: vec![address], ..Person::bare(user) }
}

fn session() -> domain::session::Session {
    domain::session::Session {
        id: id(),
        client_id: id(),
        user_id: id(),
        status: SessionStatus::Active,
        ended_at: None,
        last_active_at: NOW,
        expire_at: NOW + minutes(60),
        abandon_at: NOW + minutes(60),
        factors: Factors::first(Strategy::Password, NOW),
        actor: None,
        was_test: false,
        activity: Activity::seen(id(), "203.0.113.9".parse().ok(), None),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn client() -> domain::client::Client {
    domain::client::Client {
        id: id(),
        secret_hash: crypto::TokenHash::of_str("secret"),
        previous: None,
        last_active_session_id: Some(id()),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn sign_in() -> domain::sign_in::SignIn {
    let identifier = Identifier::parse("ann@example.com", settings().email_rules());
    domain::sign_in::SignIn::begin(id(), id(), identifier, NOW)
}

fn sign_up() -> domain::sign_up::SignUp {
    let mut attempt = domain::sign_up::SignUp::begin(id(), id(), NOW);
    attempt.stage_email(Email::parse("bob@example.com").unwrap());
    attempt
}

fn challenge() -> domain::challenge::Challenge {
    let mut challenge =
        domain::challenge::Challenge::issue(id(), Parent::SignIn(id()), Strategy::EmailCode, Step::First, NOW);
    challenge.count_attempt(NOW);
    challenge.refuse(code::CODE_INCORRECT, NOW);
    challenge
}

fn shown(env: &domain::environment::Environment) -> Environment {
    let (appearance, localization) =
        (domain::appearance::Appearance::default(), domain::localization::Localization::default());
    let look = EnvironmentAppearance::new(&appearance, &domain::etag::ETag::of(&appearance));
    Environment::new(env, look, EnvironmentLocalization::new(&localization, &localization.catalog_tag()))
}

fn environment() -> domain::environment::Environment {
    domain::environment::Environment {
        id: id(),
        project_id: id(),
        name: "Shop".into(),
        slug: "shop-dev".into(),
        kind: EnvironmentKind::Development,
        routing_label: "wise-otter-x4f9k2".into(),
        issuer: "http://localhost:4000/wise-otter-x4f9k2".into(),
        settings: settings(),
        config_version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn signing_key() -> SigningKey {
    SigningKey {
        id: id(),
        algorithm: "ES256".into(),
        status: SigningKeyStatus::Active,
        sealed_private_key: "sealed".into(),
        public_jwk: json!({ "kty": "EC", "crv": "P-256", "x": "eA", "y": "eQ", "d": "cHJpdmF0ZQ" }),
        activated_at: Some(NOW),
        retire_at: None,
        created_at: NOW,
    }
}

fn full_client() -> Client {
    let (sign_in, sign_up) = (sign_in(), sign_up());
    let attempts = Attempts { sign_in: Some((&sign_in, None)), sign_up: Some(&sign_up) };
    Client::new(&client(), &[(session(), person())], attempts, &settings(), NOW)
}

fn to_json(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

/// Every body with the name of its schema.
fn bodies() -> Vec<(&'static str, Value)> {
    let (settings, env) = (settings(), environment());
    let user = User::for_bapi(&person(), &settings, NOW);
    let mut locked = person();
    locked.user.lock = Some(Lock { until: Some(NOW + minutes(5)), by: LockedBy::Operator });
    let key = domain::key::ApiKey {
        id: id(),
        environment_id: id(),
        kind: ApiKeyKind::Secret,
        prefix: "sk_test_abcd".into(),
        name: "backend".into(),
        actions: domain::action::Actions::only(["users:read".to_owned()]),
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
        created_by: None,
        created_at: NOW,
    };
    let problem = Problem::of_param(Kind::Invalid, code::PARAM_UNKNOWN, "nickname");
    let template = domain::message::MessageTemplate::unchanged(id(), NOW, domain::message::Channel::Sms, "invitation");
    vec![
        ("User", to_json(&user)),
        ("User", to_json(&User::for_fapi(&locked, &settings, NOW))),
        ("EmailAddress", to_json(&EmailAddress::from(&person().email_addresses[0]))),
        ("Session", to_json(&Session::new(&session(), &settings, NOW))),
        ("Session", to_json(&Session::with_user(&session(), &person(), &settings, NOW))),
        ("SessionActivity", to_json(&SessionActivity::from(&session().activity))),
        ("Client", to_json(&full_client())),
        ("SignIn", to_json(&SignIn::new(&sign_in(), None, &settings, NOW))),
        ("SignUp", to_json(&SignUp::new(&sign_up(), &settings, NOW))),
        ("Challenge", to_json(&Challenge::new(&challenge(), NOW))),
        ("Environment", to_json(&shown(&env))),
        ("InstanceSettings", to_json(&InstanceSettings::from(&env))),
        ("Envelope_User", to_json(&Envelope { response: user.clone(), client: Some(full_client()) })),
        ("Envelope_User", to_json(&Envelope { response: user.clone(), client: None })),
        ("Page_User", to_json(&Page::new(vec![user.clone()], 2, Some("next".into())))),
        ("Page_User", to_json(&Page::new(vec![user], 1, None))),
        ("TotalCount", to_json(&TotalCount::new(3))),
        ("Token", to_json(&Token::new("a.b.c".into()))),
        ("Verified", to_json(&Verified { verified: true })),
        ("ErrorResponse", to_json(&ErrorResponse::new(&[problem], Some(id())))),
        ("ErrorResponse", to_json(&ErrorResponse::of_code(code::INTERNAL_ERROR, None))),
        ("Jwks", to_json(&Jwks::of([&signing_key()]))),
        ("ApiKey", to_json(&ApiKey::from(&key))),
        ("ApiKey", to_json(&ApiKey::with_secret(&key, "sk_test_abcd"))),
        (
            "EmailMessage",
            to_json(&EmailMessage::queued(id(), &Email::parse("a@b.co").unwrap(), "verification_code", None)),
        ),
        (
            "SmsMessage",
            to_json(&SmsMessage::new(id(), "invitation", "+4915112345678", None, Some(id()), SmsMessage::queued())),
        ),
        ("EmailTemplate", to_json(&EmailTemplate::new(&template, Shipped { subject: "s", html: "h", text: "t" }))),
        ("SmsTemplate", to_json(&SmsTemplate::new(&template, domain::message::SmsSlug::ALL[0], "body"))),
        ("Event", to_json(&Event::new(id(), &logged_event(), true))),
        ("EventRecord", to_json(&EventRecord::new(id(), &logged_event()))),
        ("EventTypeList", to_json(&EventTypeList::all())),
        ("AuditEntry", to_json(&AuditEntry::new(audit_record(), "00".repeat(32)))),
        ("EmailPreview", to_json(&EmailPreview::new("s".into(), "h".into(), "t".into()))),
    ]
}

fn logged_event() -> domain::event::LoggedEvent {
    domain::event::LoggedEvent {
        id: id(),
        position: 7,
        event_type: "user.created".into(),
        version: 1,
        subject_type: "user".into(),
        subject_id: id::<UserId>().to_string(),
        actor_id: Some(id::<ApiKeyId>().to_string()),
        impersonator: None,
        surface: "bapi".into(),
        trace_id: id(),
        created_at: NOW,
        was_test: false,
        data_sha256: vec![0; 32],
        data: Some(json!({ "z": 1, "a": { "id": "x" } })),
    }
}

fn audit_record() -> domain::audit::AuditRecord {
    domain::audit::AuditRecord {
        environment_id: id(),
        id: id::<EventId>().to_string(),
        sequence: 9,
        is_event: true,
        position: Some(7),
        event_type: "user.updated".into(),
        version: 1,
        outcome: "success".into(),
        actor_type: "user".into(),
        actor_id: Some(id::<UserId>().to_string()),
        impersonator: Some("operator_7".into()),
        surface: "fapi".into(),
        subject_type: "user".into(),
        subject_id: id::<UserId>().to_string(),
        organization_id: None,
        changed_fields: vec!["first_name".into()],
        origin_ip: Some("192.0.2.0/24".into()),
        user_agent: Some("a \"browser\" \u{7f} é".into()),
        reason: Some("ticket 4711".into()),
        omitted: 0,
        request_id: id::<RequestId>().to_string(),
        created_at: NOW,
        was_test: false,
        data_sha256: "ab".repeat(32),
        prev_hash: domain::audit::GENESIS.into(),
    }
}

#[test]
fn what_is_hashed_of_an_entry_is_what_is_shown_of_it() {
    let mut shown = to_json(&AuditEntry::new(audit_record(), audit_record().hash()));
    let hash = shown.as_object_mut().unwrap().shift_remove("hash").unwrap();
    let text = crypto::canonical_json::canonical(&shown);
    assert_eq!(text, crypto::canonical_json::canonical(&audit_record().shown()));
    let preimage = format!("{}{text}", domain::audit::GENESIS);
    assert_eq!(hash, json!(crypto::digest::sha256_hex(preimage.as_bytes())));
    // Written down, so that no version of ours ever makes another hash of the same entry.
    assert_eq!(hash, json!("1b373462c281cde852e318f620a7e0e57548f957ec96d64eb8fffc4ab9bca7a8"));
}

#[test]
fn a_push_is_the_envelope_and_nothing_beside_it() {
    let pushed = to_json(&Event::new(id(), &logged_event(), false));
    let keys: Vec<&String> = pushed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "object", "type", "data", "timestamp", "instance_id", "was_test"]);
    assert!(pushed["data"].to_string().starts_with(r#"{"z":1"#), "in the order in which it was written");
}

fn errors_against(document: &Value, schema: &str, body: &Value) -> Vec<String> {
    let mut root = document.clone();
    root["$ref"] = json!(format!("#/components/schemas/{schema}"));
    let validator = jsonschema::draft202012::new(&root).unwrap_or_else(|e| panic!("{schema}: {e}"));
    validator.iter_errors(body).map(|e| format!("{schema}{}: {e}", e.instance_path())).collect()
}

fn document() -> Value {
    let document = to_json(&Document::openapi());
    json!({ "components": { "schemas": document["components"]["schemas"] } })
}

#[test]
fn every_body_fits_its_own_schema() {
    let document = document();
    let wrong: Vec<String> = bodies().iter().flat_map(|(name, body)| errors_against(&document, name, body)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_body_takes_a_key_that_is_not_in_its_schema() {
    let document = document();
    for (name, mut body) in bodies() {
        body["stray"] = json!(1);
        assert!(!errors_against(&document, name, &body).is_empty(), "{name} is open");
    }
}

/// A body without the keys that the contract settles in words and its shapes do not have yet.
fn without_own(name: &str, mut body: Value) -> Value {
    if let ("InstanceSettings", Some(settings)) = (name, body.as_object_mut()) {
        for own in
            ["audit_full_ip", "authentication_strategies", "delete_self_enabled", "require_legal_accepted", "sms"]
        {
            settings.shift_remove(own);
        }
    }
    body
}

#[test]
fn every_body_has_the_fields_that_the_contract_asks_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contract/shapes");
    let document = document();
    for surface in ["fapi", "bapi"] {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{surface}.json"))) else {
            eprintln!("SKIPPED: no contract shapes of {surface} beside the workspace");
            return;
        };
        let contract: Value = serde_json::from_str(&text).unwrap();
        let shapes = json!({ "components": contract["components"] });
        for (name, body) in bodies() {
            let shape = &contract["components"]["schemas"][name];
            if shape.is_null() {
                continue;
            }
            let wrong = errors_against(&shapes, name, &without_own(name, body));
            assert!(wrong.is_empty(), "{surface}: {wrong:#?}");
            let sorted = |schema: &Value| {
                let mut names: Vec<String> = schema["required"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|n| n.as_str().map(str::to_owned))
                    .collect();
                names.sort();
                names
            };
            let ours = sorted(&document["components"]["schemas"][name]);
            let missing: Vec<_> = sorted(shape).into_iter().filter(|n| !ours.contains(n)).collect();
            assert!(missing.is_empty(), "{surface} {name}: not promised: {missing:?}");
        }
    }
}

#[test]
fn a_person_never_sees_the_private_metadata() {
    let seen = to_json(&User::for_fapi(&person(), &settings(), NOW));
    assert_eq!(seen["private_metadata"], json!({}));
    assert_eq!(to_json(&User::for_bapi(&person(), &settings(), NOW))["private_metadata"], json!({ "plan": "gold" }));
    assert!(!to_json(&full_client()).to_string().contains("gold"));
}

#[test]
fn a_lock_shows_only_while_it_lasts() {
    let mut person = person();
    person.user.lock = Some(Lock { until: Some(NOW + minutes(5)), by: LockedBy::Failures });
    let during = to_json(&User::for_bapi(&person, &settings(), NOW));
    let after = to_json(&User::for_bapi(&person, &settings(), NOW + minutes(5)));
    assert_eq!((&during["locked"], during["lockout_expires_at"].is_null()), (&json!(true), false));
    assert_eq!((&after["locked"], after["lockout_expires_at"].is_null()), (&json!(false), true));
}

#[test]
fn a_sign_in_tells_nothing_of_the_person_under_enumeration_protection() {
    let mut settings = settings();
    let user = person();
    assert_eq!(to_json(&SignIn::new(&sign_in(), Some(&user), &settings, NOW))["user_data"], json!({}));
    settings.attack_protection.enumeration_protection = false;
    assert_eq!(to_json(&SignIn::new(&sign_in(), Some(&user), &settings, NOW))["user_data"]["first_name"], json!("Ann"));
}

#[test]
fn published_keys_hold_public_members_only() {
    let mut gone = signing_key();
    gone.status = SigningKeyStatus::Expired;
    let jwks = to_json(&Jwks::of([&signing_key(), &gone]));
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(1));
    assert!(jwks["keys"][0].get("d").is_none());
}
