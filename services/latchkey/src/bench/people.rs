//! The people of the benchmark: made through the engine, in the process of the benchmark, before the server starts.

use anyhow::Context as _;
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Wiring};
use crypto::Secret;
use domain::environment::EnvironmentKind;
use domain::jwt_template::SigningAlgorithm;
use domain::{Context, Email, Timestamp};
use engine::Engine;
use engine::bootstrap::BootstrapSpec;
use engine::jwt_templates::NewTemplate;
use engine::message_templates::EmailChange;
use engine::users::{NewUser, PasswordInput};
use serde_json::json;
use std::rc::Rc;
use std::sync::Arc;

/// Everybody's password.
pub(super) const PASSWORD: &str = "glass harbour 71 violet";

/// The origin of the application in the benchmark.
pub(super) const ORIGIN: &str = "https://app.bench.example";

/// People that are made at the same time.
const ABREAST: u32 = 32;

/// Where the people are.
pub(super) struct Place {
    /// The first segment of every path of the FAPI.
    pub(super) label: String,
    /// A key for the BAPI.
    pub(super) secret_key: Secret<String>,
    /// How many there are.
    pub(super) users: u32,
}

/// Numbers that are the same for the same seed (SplitMix64).
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        u32::try_from(mixed % u64::from(sides.max(1))).unwrap_or(0)
    }
}

/// The address of a person by number.
pub(super) fn address(number: u32) -> String {
    format!("person-{number}@bench.example")
}

/// Sets the database up and fills it.
pub(super) async fn fill(config: Config, users: u32, seed: u64) -> anyhow::Result<Place> {
    boot::migrate(&config).await?;
    let wiring =
        Wiring { clock: Arc::new(SystemClock), mail: Mail::Unused, missing_master_key: Missing::Create, threads: 1 };
    let platform = boot::start(config, wiring).await?;
    let engine = platform.engine();
    let spec = BootstrapSpec {
        workspace: "Bench".to_owned(),
        project: "Bench".to_owned(),
        environment: "Bench".to_owned(),
        kind: EnvironmentKind::Production,
        allowed_origins: vec![ORIGIN.to_owned()],
    };
    let made = engine::bootstrap::run(&engine, spec).await?;
    let secret_key = made.secret_key.context("the database is not as empty as it seemed")?;
    let cx = Context::operator(made.environment.id, engine.now());
    // A sign-up is one request then: the measure of the server and not of a mailbox.
    let change = |env: &mut domain::environment::Environment, _: Timestamp| {
        env.settings.attribute_settings.email_address.verify_at_sign_up = false;
    };
    engine::tenancy::change(&engine, &cx, change).await?;
    // Who enrols a factor is told of it by the environment itself, which here tells nobody: no mail is tried again and
    // again while something is measured.
    for slug in ["totp_enabled", "passkey_added"] {
        let slug = slug.parse().map_err(|_| anyhow::anyhow!("there is no mail `{slug}`"))?;
        let handed_over = EmailChange { delivered_by_us: Some(false), ..EmailChange::default() };
        engine::message_templates::change_email(&engine, &cx, slug, handed_over).await?;
    }

    // What a product puts into its tokens: a name, an address, something of its own.
    let claims = json!({
        "name": "{{user.first_name}} {{user.last_name}}", "email": "{{user.primary_email_address}}",
        "https://bench.example/claims": { "role": "{{ user.public_metadata.role | default: 'member' }}", "session": "{{session.id}}" },
    });
    let template = NewTemplate {
        name: "bench".to_owned(),
        claims: claims.as_object().cloned().unwrap_or_default(),
        lifetime: 60,
        allowed_clock_skew: 5,
        signing_algorithm: SigningAlgorithm::Es256,
        custom_signing_key: None,
    };
    engine::jwt_templates::create(&engine, &cx, template).await?;

    // One real hash for all: whoever signs in pays for a whole one, and nobody waits for ten thousand.
    let digest = platform.shared.passwords().hash(Secret::new(PASSWORD.to_owned())).await?;
    let digest: Rc<str> = digest.into();
    let mut making = tokio::task::JoinSet::new();
    for first in 0..ABREAST {
        let (engine, cx, digest) = (engine.clone(), cx.clone(), Rc::clone(&digest));
        making.spawn_local(async move {
            for number in (first..users).step_by(ABREAST as usize) {
                make(&engine, &cx, number, seed, &digest).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = making.join_next().await {
        done.context("the making of people was cut short")??;
    }
    platform.finish().await;
    Ok(Place { label: made.environment.routing_label, secret_key, users })
}

async fn make(engine: &Engine, cx: &Context, number: u32, seed: u64, digest: &str) -> anyhow::Result<()> {
    const FIRST: [&str; 8] = ["Ada", "Bruno", "Chiara", "Dmitri", "Esra", "Femi", "Grete", "Hiro"];
    const LAST: [&str; 8] = ["Abel", "Brandt", "Costa", "Diaz", "Eriksen", "Fontaine", "Garcia", "Haddad"];
    let mut dice = Dice(seed ^ (u64::from(number) << 20));
    let mut pick = |names: [&str; 8]| names.get(dice.roll(8) as usize).map(|name| (*name).to_owned());
    let person = NewUser {
        first_name: pick(FIRST),
        last_name: pick(LAST),
        email_addresses: vec![Email::parse(&address(number))?],
        password: PasswordInput {
            digest: Some(digest.to_owned()),
            hasher: Some("argon2id".to_owned()),
            ..PasswordInput::default()
        },
        ..NewUser::default()
    };
    let cx = Context { now: engine.now(), ..cx.clone() };
    engine::users::create(engine, &cx, person).await.with_context(|| format!("person {number} cannot be made"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_run() {
        let rolls = |seed| {
            let mut dice = Dice(seed);
            (0..20).map(|_| dice.roll(1000)).collect::<Vec<_>>()
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
        assert!(rolls(3).iter().all(|n| *n < 1000));
    }
}
