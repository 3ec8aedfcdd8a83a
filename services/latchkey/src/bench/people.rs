//! The people of the benchmark: made through the engine, in the process of the benchmark, before the server starts.

use anyhow::Context as _;
use boot::clock::SystemClock;
use boot::master_key::Missing;
use boot::{Config, Mail, Wiring};
use crypto::Secret;
use domain::environment::EnvironmentKind;
use domain::jwt_template::SigningAlgorithm;
use domain::{Context, Email, EnvironmentId, Timestamp, UserId};
use engine::Engine;
use engine::bootstrap::{BootstrapSpec, Bootstrapped};
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

/// How many people there are, at most, whose changes are pushed.
const PUSHED: u32 = 1_000;

/// Where the people are.
pub(super) struct Place {
    /// The environment.
    pub(super) env: EnvironmentId,
    /// The first segment of every path of the FAPI.
    pub(super) label: String,
    /// A key for the BAPI.
    pub(super) secret_key: Secret<String>,
    /// The people, by their numbers.
    pub(super) people: Vec<UserId>,
}

impl Place {
    fn of(made: Bootstrapped, people: Vec<UserId>) -> anyhow::Result<Self> {
        let secret_key = made.secret_key.context("the database is not as empty as it seemed")?;
        Ok(Self { env: made.environment.id, label: made.environment.routing_label, secret_key, people })
    }

    /// How many people there are.
    pub(super) fn users(&self) -> u32 {
        u32::try_from(self.people.len()).unwrap_or(u32::MAX)
    }

    /// What a request of the backend shows.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.secret_key.expose())
    }
}

/// Everything that is filled.
pub(super) struct Places {
    /// An environment as in production.
    pub(super) main: Place,
    /// One that may push to this machine and without TLS, as production may not.
    pub(super) pushed: Place,
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
pub(super) async fn fill(config: Config, users: u32, seed: u64) -> anyhow::Result<Places> {
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
    let people = crowd(&engine, &cx, (users, seed), &digest).await?;
    let kind = EnvironmentKind::Development;
    let created =
        engine::bootstrap::create_environment(&engine, None, "Pushed".to_owned(), kind, None, Vec::new()).await?;
    let cx = Context::operator(created.environment.id, engine.now());
    let heard_of = crowd(&engine, &cx, (users.min(PUSHED), seed), &digest).await?;
    platform.finish().await;
    Ok(Places { main: Place::of(made, people)?, pushed: Place::of(created, heard_of)? })
}

/// Makes so many people, several at the same time, and tells who they are, by number.
async fn crowd(
    engine: &Engine,
    cx: &Context,
    (users, seed): (u32, u64),
    digest: &Rc<str>,
) -> anyhow::Result<Vec<UserId>> {
    let mut making = tokio::task::JoinSet::new();
    for first in 0..ABREAST {
        let (engine, cx, digest) = (engine.clone(), cx.clone(), Rc::clone(digest));
        making.spawn_local(async move {
            let mut made = Vec::new();
            for number in (first..users).step_by(ABREAST as usize) {
                made.push((number, make(&engine, &cx, number, seed, &digest).await?));
            }
            anyhow::Ok(made)
        });
    }
    let mut made = Vec::new();
    while let Some(done) = making.join_next().await {
        made.extend(done.context("the making of people was cut short")??);
    }
    made.sort_unstable();
    Ok(made.into_iter().map(|(_, id)| id).collect())
}

async fn make(engine: &Engine, cx: &Context, number: u32, seed: u64, digest: &str) -> anyhow::Result<UserId> {
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
    let made = engine::users::create(engine, &cx, person).await;
    Ok(made.with_context(|| format!("person {number} cannot be made"))?.user.id)
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
