//! How often somebody may ask: buckets of volume, counted by this process alone.
//!
//! Counters that guard secrets are not here: they live in the database.

mod routes;
mod settings;

pub use settings::{Allowance, LimitSettings};

pub(crate) use routes::bucket_of_route;

use crate::error::{ApiError, NoEdge};
use crate::state::{Asked, RequestState};
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use domain::environment::{Environment, EnvironmentKind};
use domain::{ApiKeyId, EnvironmentId, Kind, Problem, code};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::future::{Ready, ready};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::rc::Rc;

/// The buckets of the FAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Making a client, by address.
    ClientCreate,
    /// Starting a sign-in, by address.
    SignInCreate,
    /// Starting a sign-up, by address.
    SignUpCreate,
    /// Asking for a challenge, by attempt.
    ChallengeCreate,
    /// Sending to somebody, by e-mail address or number.
    ChallengeSend,
    /// Answering a challenge, by attempt.
    ChallengeAnswer,
    /// Watching a challenge, by challenge.
    ChallengePoll,
    /// Minting a token, by session.
    TokenMint,
    /// Minting a token by a template, by session.
    TemplateMint,
    /// Uploading a picture, by user.
    ImageUpload,
}

impl Bucket {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ClientCreate,
        Self::SignInCreate,
        Self::SignUpCreate,
        Self::ChallengeCreate,
        Self::ChallengeSend,
        Self::ChallengeAnswer,
        Self::ChallengePoll,
        Self::TokenMint,
        Self::TemplateMint,
        Self::ImageUpload,
    ];

    /// Its name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCreate => "clients.create",
            Self::SignInCreate => "sign_ins.create",
            Self::SignUpCreate => "sign_ups.create",
            Self::ChallengeCreate => "challenges.create",
            Self::ChallengeSend => "challenges.send",
            Self::ChallengeAnswer => "challenges.answer",
            Self::ChallengePoll => "challenges.poll",
            Self::TokenMint => "tokens.mint",
            Self::TemplateMint => routes::TEMPLATE_MINT,
            Self::ImageUpload => "images.upload",
        }
    }

    /// What production allows by default.
    pub const fn allowance(self) -> Allowance {
        match self {
            Self::ClientCreate => Allowance::new(30, 10),
            Self::SignInCreate | Self::SignUpCreate => Allowance::new(5, 10),
            Self::ChallengeCreate | Self::ChallengeAnswer => Allowance::new(3, 10),
            Self::ChallengeSend => Allowance::new(5, 600),
            Self::ChallengePoll => Allowance::new(5, 5),
            Self::TokenMint => Allowance::new(60, 60),
            Self::TemplateMint => Allowance::new(30, 60),
            Self::ImageUpload => Allowance::new(10, 60),
        }
    }
}

/// Whose requests are counted together.
pub enum By<'a> {
    /// The peer's: an IPv6 network of 64 bits is one peer.
    Peer,
    /// Those that name this.
    Id(&'a dyn Display),
}

/// Where a bucket stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub limit: u32,
    pub remaining: u32,
    /// Unix seconds: when the bucket is full again, or lets the next one pass.
    pub reset: i64,
}

/// A bucket and a key, hashed under a secret of the process: no address of a person is held in memory for it, and
/// nobody can look for two keys that are counted as one.
type Key = u64;
type Counter = RateLimiter<Key, DefaultKeyedStateStore<Key>, DefaultClock, StateInformationMiddleware>;

/// The buckets of a process, shared by its workers.
pub struct Limits {
    settings: LimitSettings,
    counters: HashMap<Allowance, Counter>,
    clock: DefaultClock,
    secret: RandomState,
}

impl Limits {
    /// Empty counters for these settings.
    pub fn new(settings: LimitSettings) -> Self {
        let defaults = Bucket::ALL.iter().map(|b| b.allowance()).chain(routes::ALLOWANCES);
        let production: Vec<Allowance> = defaults.chain(settings.buckets.values().copied()).collect();
        let counters = production
            .iter()
            .flat_map(|allowance| [*allowance, settings.relaxed(*allowance)])
            .flat_map(|allowance| [allowance, allowance.quarter()])
            .map(|allowance| {
                let counter = RateLimiter::keyed(quota(allowance)).with_middleware::<StateInformationMiddleware>();
                (allowance, counter)
            })
            .collect();
        Self { settings, counters, clock: DefaultClock::default(), secret: RandomState::new() }
    }

    /// Counts a request, or refuses it.
    fn take(
        &self,
        name: &str,
        default: Allowance,
        env: &Environment,
        key: &dyn Display,
        now: i64,
    ) -> Result<Rate, (Rate, u64)> {
        self.take_of(name, self.allowance(name, default, env), env, key, now)
    }

    fn allowance(&self, name: &str, default: Allowance, env: &Environment) -> Allowance {
        let allowance = self.settings.buckets.get(name).copied().unwrap_or(default);
        match env.kind {
            EnvironmentKind::Production => allowance,
            EnvironmentKind::Development | EnvironmentKind::Staging => self.settings.relaxed(allowance),
        }
    }

    fn take_of(
        &self,
        name: &str,
        allowance: Allowance,
        env: &Environment,
        key: &dyn Display,
        now: i64,
    ) -> Result<Rate, (Rate, u64)> {
        let Some(counter) = self.counters.get(&allowance) else {
            return Ok(Rate { limit: allowance.max, remaining: allowance.max, reset: now });
        };
        match counter.check_key(&self.hashed(name, env.id, key)) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = u64::from(allowance.max.saturating_sub(remaining));
                let seconds = (missing * allowance.window_seconds).div_ceil(u64::from(allowance.max.max(1)));
                Ok(Rate { limit: allowance.max, remaining, reset: now.saturating_add_unsigned(seconds) })
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                let seconds = seconds.max(1);
                Err((Rate { limit: allowance.max, remaining: 0, reset: now.saturating_add_unsigned(seconds) }, seconds))
            }
        }
    }

    fn hashed(&self, name: &str, env: EnvironmentId, key: &dyn Display) -> Key {
        let mut hasher = self.secret.build_hasher();
        name.hash(&mut hasher);
        env.hash(&mut hasher);
        // A hasher takes everything; a key that cannot be written has no text to be told by.
        let _ = write!(Hashed(&mut hasher), "{key}");
        hasher.finish()
    }

    /// Forgets the buckets that are full again; called now and then, or memory grows with every stranger.
    pub fn forget_idle(&self) {
        for counter in self.counters.values() {
            counter.retain_recent();
            counter.shrink_to_fit();
        }
    }

    /// How many buckets are not full.
    pub fn held(&self) -> usize {
        self.counters.values().map(RateLimiter::len).sum()
    }
}

fn quota(allowance: Allowance) -> Quota {
    let max = NonZeroU32::new(allowance.max).unwrap_or(NonZeroU32::MIN);
    let window = std::time::Duration::from_secs(allowance.window_seconds.max(1));
    Quota::with_period(window / max.get()).unwrap_or(Quota::per_second(max)).allow_burst(max)
}

/// Text that is hashed as it is written.
struct Hashed<'a, H>(&'a mut H);

impl<H: Hasher> Write for Hashed<'_, H> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// One text for everything that counts as the same peer.
fn peer(ip: Option<IpAddr>) -> String {
    match ip.map(|ip| ip.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

/// Counts one request in a bucket and keeps the numbers for the answer's headers.
fn count(
    limits: &Limits,
    state: &RequestState,
    env: &Environment,
    bucket: (&str, Allowance),
    key: &dyn Display,
) -> Result<(), ApiError> {
    answer(state, limits.take(bucket.0, bucket.1, env, key, state.now.seconds()))
}

fn answer(state: &RequestState, taken: Result<Rate, (Rate, u64)>) -> Result<(), ApiError> {
    match taken {
        Ok(rate) => {
            state.note_rate(rate);
            Ok(())
        }
        Err((rate, seconds)) => {
            state.note_rate(rate);
            let problem =
                Problem { kind: Kind::TooMany, code: code::RATE_LIMIT_EXCEEDED, meta: serde_json::Map::new() };
            Err(ApiError::problem(problem.with("limit", rate.limit).with("retry_after_seconds", seconds)))
        }
    }
}

fn limits_of(req: &HttpRequest) -> Result<Data<Limits>, ApiError> {
    req.app_data::<Data<Limits>>().cloned().ok_or_else(|| ApiError::fault(NoEdge))
}

/// Counts a backend's request in the bucket of its route.
pub(crate) fn by_route(asked: &Asked, env: &Environment, key: ApiKeyId) -> Result<(), ApiError> {
    let limits = limits_of(&asked.req)?;
    let (name, allowance) = match asked.state.route.get() {
        Some(route) => (route.bucket.0.as_str(), route.bucket.1),
        None => return Err(ApiError::fault(NoEdge)),
    };
    if name == routes::TEMPLATE_MINT {
        // One backend mints for everybody: each person or session has a bucket of its own, and nobody makes up as many
        // as they like.
        count(&limits, &asked.state, env, ("jwt_templates.mints", routes::READ), &key)?;
        let path = asked.req.match_info();
        let of = path.get("session_id").or_else(|| path.get("user_id")).unwrap_or_default();
        return count(&limits, &asked.state, env, (name, allowance), &format_args!("{key}.{of}"));
    }
    count(&limits, &asked.state, env, (name, allowance), &key)
}

/// Whether one more use of a dead key may be written down: what costs a transaction is not a stranger's for nothing. The
/// answer says nothing of it.
pub(crate) fn may_note(asked: &Asked, env: &Environment, key: ApiKeyId) -> bool {
    let now = asked.state.now.seconds();
    limits_of(&asked.req).is_ok_and(|limits| limits.take("api_keys.refused", routes::CHANGE, env, &key, now).is_ok())
}

/// Counts requests in the buckets that a handler names.
pub struct Limiter {
    limits: Data<Limits>,
    state: Rc<RequestState>,
}

impl Limiter {
    /// Counts this request, or refuses it with 429.
    pub fn take(&self, bucket: Bucket, by: By<'_>) -> Result<(), ApiError> {
        let env = self.state.env.borrow().clone().ok_or_else(|| ApiError::fault(NoEdge))?;
        let bucket = (bucket.name(), bucket.allowance());
        match by {
            By::Peer => count(&self.limits, &self.state, &env, bucket, &peer(self.state.ip)),
            By::Id(id) => count(&self.limits, &self.state, &env, bucket, id),
        }
    }

    /// Counts this request among those that nobody could prove to be a person's: a quarter of what the bucket allows.
    pub fn take_unproven(&self, bucket: Bucket) -> Result<(), ApiError> {
        let env = self.state.env.borrow().clone().ok_or_else(|| ApiError::fault(NoEdge))?;
        let allowance = self.limits.allowance(bucket.name(), bucket.allowance(), &env).quarter();
        let name = format!("{}.unproven", bucket.name());
        let taken = self.limits.take_of(&name, allowance, &env, &peer(self.state.ip), self.state.now.seconds());
        answer(&self.state, taken)
    }
}

impl FromRequest for Limiter {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parts = limits_of(req).and_then(|limits| Ok(Self { limits, state: RequestState::of(req)? }));
        ready(parts)
    }
}

#[cfg(test)]
mod tests;
