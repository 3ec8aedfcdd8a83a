//! Session tokens: what a backend trusts without asking.

use crate::callers::DeviceCookie;
use crate::jwt_templates::{self, About, ActingSession};
use crate::refusals::stored;
use crate::signing::{self, SigningError};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, callers};
use crypto::jws::SignError;
use domain::environment::Environment;
use domain::jwt_template::{DEFAULT, FLAT, TemplateName};
use domain::key::LONGEST_TOKEN;
use domain::session::{Proven, Session, SessionStatus, Standing};
use domain::strategy::Strategy;
use domain::user::{FactorSummary, Lock, LockedBy, User};
use domain::{Context, Kind, Problem, Refusal, SessionId, Timestamp, UserId, Verdict, code};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use storage::sessions::Mintable;

/// The claims of a session token.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: UserId,
    sid: SessionId,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    azp: Option<&'a str>,
    v: u8,
    sts: &'static str,
    fva: [i64; 2],
    pnv: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dsf: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tfe: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mfa: Vec<&'static str>,
    pkv: bool,
    pkc: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_use: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    was_test: bool,
}

/// Why no token is minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The cookie is not the client's.
    #[error("there is no such client")]
    NoClient,
    /// The session is not on this client.
    #[error("there is no such session")]
    NotFound,
    /// The session is over.
    #[error("the session is over")]
    Over,
    /// The session is over, says a backend's mint.
    #[error("the session is not live")]
    NotLive,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// The person is locked by an operator.
    #[error("the user is locked")]
    Locked {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The session waits for its second factor: no template says so.
    #[error("the session waits for a second factor")]
    Pending,
    /// There is no template of this name.
    #[error("there is no such JWT template")]
    NoTemplate,
    /// What the template makes of this person is too large.
    #[error("the token would be too large")]
    TooLarge(Box<Problem>),
    /// The token cannot be signed.
    #[error("the token cannot be signed")]
    Sign(#[from] SignError),
    /// No key signs.
    #[error("the environment has no key that signs")]
    Signing(#[from] SigningError),
    /// The database failed.
    #[error("the session cannot be looked up")]
    Storage(#[from] StorageError),
}
stored!(MintError);

impl Refusal for MintError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoClient => Kind::Unauthenticated.code(code::CLIENT_NOT_FOUND),
            Self::NotFound => Kind::NotFound.code(code::SESSION_NOT_FOUND),
            Self::Over => Kind::Unauthenticated.code(code::SESSION_REVOKED),
            Self::NotLive => Kind::NotLive.code(code::SESSION_NOT_LIVE),
            Self::Banned => Kind::Unauthenticated.code(code::USER_BANNED),
            Self::Locked { until } => {
                Kind::Unauthenticated.code(code::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::Pending => Kind::Forbidden.code(code::SESSION_PENDING),
            Self::NoTemplate => Kind::NotFound.code(code::JWT_TEMPLATE_NOT_FOUND),
            Self::TooLarge(problem) => Verdict::Refused(vec![(**problem).clone()]),
            Self::Sign(_) | Self::Signing(_) | Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Which token of a session is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The origin of the page that asks.
    pub origin: Option<&'a str>,
    /// The template that is named.
    pub template: Option<&'a TemplateName>,
}

impl<'a> Ask<'a> {
    /// The template to mint by; none for a session token. Tokens by templates do not say that a session is pending, and
    /// whoever reads them takes the person for signed in: a pending session has none.
    fn template(self, env: &'a Environment, status: SessionStatus) -> Result<Option<&'a str>, MintError> {
        let pending = status == SessionStatus::Pending;
        match self.template.map(TemplateName::as_str) {
            None if pending => Ok(None),
            None => Ok(env.settings.sessions.own_template()),
            // Without an organization both shapes are one.
            Some(DEFAULT | FLAT) => Ok(None),
            Some(_) if pending => Err(MintError::Pending),
            named => Ok(named),
        }
    }
}

/// Mints a token for the browser that holds the session, in one read.
pub async fn mint(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    (cookie, id): (&DeviceCookie, SessionId),
    ask: Ask<'_>,
) -> Result<String, MintError> {
    let found = storage::sessions::mintable(&mut *engine.read().await?, cx.env, cookie.client_id, id).await?;
    // What comes seldom is boxed: its state would else be part of each mint's, which is moved about.
    let Some(found) = found else {
        return Err(Box::pin(missing(engine, cx, env, cookie, id)).await?);
    };
    if !found.client_secret.matches(cookie.secret.expose().as_bytes()) {
        return Err(MintError::NoClient);
    }
    let status = found.standing.status_at(cx.now, &env.settings.sessions);
    if !callers::is_mintable(status) {
        return Err(MintError::Over);
    }
    if let Some(refused) = stands_against(found.banned, found.lock, cx.now) {
        Box::pin(callers::take_away(engine, cx, env, id)).await?;
        return Err(refused);
    }
    if found.actor.is_none() {
        engine.shared().activity.session(env, (id, found.user_id), found.standing.last_active_at, cx.now);
    }
    let Mintable { user_id: user, standing, proven, first, actor, factors, was_test, .. } = found;
    let subject = Subject { id, user, standing, proven, first, actor, factors, was_test };
    if let Some(name) = ask.template(env, status)?
        && let Some(token) = Box::pin(by_template(engine, cx, name, (&subject, None), ask)).await?
    {
        return Ok(token);
    }
    sign(engine, cx, env, &subject, Kindness::Token { azp: ask.origin }).await
}

/// A token by a template. One that is only the environment's setting and is gone gives way to the session token.
async fn by_template(
    engine: &Engine,
    cx: &Context,
    name: &str,
    (subject, known): (&Subject, Option<User>),
    ask: Ask<'_>,
) -> Result<Option<String>, MintError> {
    let session = ActingSession { id: subject.id, standing: subject.standing, actor: subject.actor.clone() };
    let about = About { user: subject.user, known, session: Some(session) };
    match jwt_templates::mint_by_name(engine, cx, name, about).await? {
        None if ask.template.is_some() => Err(MintError::NoTemplate),
        minted => Ok(minted),
    }
}

/// Says what is missing: to the holder of the cookie, and to nobody else.
async fn missing(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    cookie: &DeviceCookie,
    id: SessionId,
) -> Result<MintError, StorageError> {
    let callers::Device::Known(_) = callers::device(engine, env, cookie, cx.now).await? else {
        return Ok(MintError::NoClient);
    };
    let session = storage::sessions::find(&mut *engine.read().await?, cx.env, id).await?;
    Ok(match session {
        // A session whose person is gone was revoked with the person.
        Some(session) if session.client_id == cookie.client_id => MintError::Over,
        _ => MintError::NotFound,
    })
}

/// Mints a token for a backend.
pub async fn mint_for_backend(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    id: SessionId,
    ask: Ask<'_>,
) -> Result<String, MintError> {
    let (session, user) = {
        let mut conn = engine.read().await?;
        let session = storage::sessions::find(&mut conn, cx.env, id).await?.ok_or(MintError::NotFound)?;
        let user = storage::users::find(&mut conn, cx.env, session.user_id).await?;
        (session, user)
    };
    let user = user.ok_or(MintError::NotLive)?;
    let status = session.status_at(cx.now, &env.settings.sessions);
    if !callers::is_mintable(status) || stands_against(user.banned, user.lock, cx.now).is_some() {
        return Err(MintError::NotLive);
    }
    let subject = Subject::of(&session, user.factors);
    if let Some(name) = ask.template(env, status)?
        && let Some(token) = Box::pin(by_template(engine, cx, name, (&subject, Some(user)), ask)).await?
    {
        return Ok(token);
    }
    sign(engine, cx, env, &subject, Kindness::Token { azp: None }).await
}

/// The token of the `__session` cookie: good on FAPI alone, and only with a live session row.
pub async fn cookie(engine: &Engine, cx: &Context, env: &Environment, session: &Session) -> Result<String, MintError> {
    let factors = storage::users::factors(&mut *engine.read().await?, cx.env, session.user_id).await?;
    sign(engine, cx, env, &Subject::of(session, factors), Kindness::Cookie).await
}

fn stands_against(banned: bool, lock: Option<Lock>, now: Timestamp) -> Option<MintError> {
    if banned {
        return Some(MintError::Banned);
    }
    let lock = lock.filter(|l| l.by == LockedBy::Operator && l.until.is_none_or(|until| now < until))?;
    Some(MintError::Locked { until: lock.until })
}

/// What a token says of its session.
struct Subject {
    id: SessionId,
    user: UserId,
    standing: Standing,
    proven: Proven,
    first: Strategy,
    actor: Option<Map<String, Value>>,
    factors: FactorSummary,
    was_test: bool,
}

impl Subject {
    fn of(session: &Session, factors: FactorSummary) -> Self {
        Self {
            id: session.id,
            user: session.user_id,
            standing: session.standing(),
            proven: session.factors.proven(),
            first: session.factors.first,
            actor: session.actor.clone(),
            factors,
            was_test: session.was_test,
        }
    }
}

enum Kindness<'a> {
    Token { azp: Option<&'a str> },
    Cookie,
}

async fn sign(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    session: &Subject,
    kind: Kindness<'_>,
) -> Result<String, MintError> {
    let algorithm = signing::session_algorithm(env);
    let mut tenant: Arc<Tenant> = tenancy::trusted(engine, cx.env).await?;
    if tenant.keys.signer(algorithm).is_none() {
        tenant = Box::pin(signing::ensure(engine, cx, algorithm)).await?;
    }
    let signer = tenant.keys.signer(algorithm).ok_or_else(|| tenancy::fault("a key was made, and none signs"))?;
    let iat = cx.now.seconds();
    let (lifetime, azp, token_use) = match kind {
        Kindness::Token { azp } => {
            (i64::try_from(env.settings.sessions.session_token_lifetime_seconds).unwrap_or(60), azp, None)
        }
        Kindness::Cookie => (LONGEST_TOKEN.as_secs().cast_signed(), None, Some("cookie")),
    };
    let claims = Claims {
        iss: &env.issuer,
        sub: session.user,
        sid: session.id,
        jti: crypto::random::jti(),
        iat,
        nbf: iat,
        exp: (iat + lifetime).min(session.standing.expire_at.seconds()),
        azp,
        v: 2,
        sts: session.standing.status_at(cx.now, &env.settings.sessions).as_str(),
        fva: if session.actor.is_some() { [-1, -1] } else { session.proven.ages(cx.now) },
        pnv: session.factors.phone_verified,
        dsf: session.factors.default_second_factor().map(Strategy::as_str),
        tfe: session.factors.two_factor(),
        mfa: session.factors.second_factors().into_iter().map(Strategy::as_str).collect(),
        pkv: session.first == Strategy::Passkey,
        pkc: session.factors.passkeys,
        act: session.actor.as_ref(),
        token_use,
        was_test: session.was_test,
    };
    Ok(signer.sign(Some("JWT"), &claims)?)
}
