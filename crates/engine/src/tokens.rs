//! Session tokens: what a backend trusts without asking.

use crate::callers::DeviceCookie;
use crate::refusals::stored;
use crate::signing::{self, SigningError};
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, callers};
use crypto::jws::SignError;
use domain::environment::Environment;
use domain::key::LONGEST_TOKEN;
use domain::session::Session;
use domain::user::{Lock, LockedBy};
use domain::{ClientId, Context, Kind, Refusal, SessionId, Timestamp, Verdict, code};
use serde::Serialize;
use std::sync::Arc;

/// The claims of a session token.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    sid: String,
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
    pkv: bool,
    pkc: u32,
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
            Self::Sign(_) | Self::Signing(_) | Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Mints a token for the browser that holds the session, in one read.
pub async fn mint(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    cookie: &DeviceCookie,
    id: SessionId,
    origin: Option<&str>,
) -> Result<String, MintError> {
    let found = storage::sessions::mintable(&mut *engine.read().await?, cx.env, cookie.client_id, id).await?;
    let Some(found) = found else {
        // Which of the two is missing is told to the holder of the cookie only.
        return Err(match callers::device(engine, env, cookie, cx.now).await? {
            callers::Device::Known(_) => missing(engine, cx, cookie.client_id, id).await?,
            _ => MintError::NoClient,
        });
    };
    if !found.client_secret.matches(cookie.secret.expose().as_bytes()) {
        return Err(MintError::NoClient);
    }
    if !callers::is_mintable(found.session.status_at(cx.now, &env.settings.sessions)) {
        return Err(MintError::Over);
    }
    if let Some(refused) = stands_against(found.banned, found.lock, cx.now) {
        callers::take_away(engine, cx, env, id).await?;
        return Err(refused);
    }
    engine.shared().activity.session(env, &found.session, cx.now);
    sign(engine, cx, env, &found.session, Kindness::Token { azp: origin }).await
}

/// A session whose person is gone was revoked with the person.
async fn missing(engine: &Engine, cx: &Context, client: ClientId, id: SessionId) -> Result<MintError, StorageError> {
    let session = storage::sessions::find(&mut *engine.read().await?, cx.env, id).await?;
    Ok(match session {
        Some(session) if session.client_id == client => MintError::Over,
        _ => MintError::NotFound,
    })
}

/// Mints a token for a backend.
pub async fn mint_for_backend(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    id: SessionId,
) -> Result<String, MintError> {
    let (session, user) = {
        let mut conn = engine.read().await?;
        let session = storage::sessions::find(&mut conn, cx.env, id).await?.ok_or(MintError::NotFound)?;
        let user = storage::users::find(&mut conn, cx.env, session.user_id).await?;
        (session, user)
    };
    let user = user.ok_or(MintError::NotLive)?;
    let live = callers::is_mintable(session.status_at(cx.now, &env.settings.sessions));
    if !live || stands_against(user.banned, user.lock, cx.now).is_some() {
        return Err(MintError::NotLive);
    }
    sign(engine, cx, env, &session, Kindness::Token { azp: None }).await
}

/// The token of the `__session` cookie: good on FAPI alone, and only with a live session row.
pub async fn cookie(engine: &Engine, cx: &Context, env: &Environment, session: &Session) -> Result<String, MintError> {
    sign(engine, cx, env, session, Kindness::Cookie).await
}

fn stands_against(banned: bool, lock: Option<Lock>, now: Timestamp) -> Option<MintError> {
    if banned {
        return Some(MintError::Banned);
    }
    let lock = lock.filter(|l| l.by == LockedBy::Operator && l.until.is_none_or(|until| now < until))?;
    Some(MintError::Locked { until: lock.until })
}

enum Kindness<'a> {
    Token { azp: Option<&'a str> },
    Cookie,
}

async fn sign(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    session: &Session,
    kind: Kindness<'_>,
) -> Result<String, MintError> {
    let algorithm = signing::session_algorithm(env);
    let mut tenant: Arc<Tenant> = tenancy::trusted(engine, cx.env).await?;
    if tenant.keys.signer(algorithm).is_none() {
        tenant = signing::ensure(engine, cx, algorithm).await?;
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
        sub: session.user_id.to_string(),
        sid: session.id.to_string(),
        jti: crypto::random::jti(),
        iat,
        nbf: iat,
        exp: (iat + lifetime).min(session.expire_at.seconds()),
        azp,
        v: 2,
        sts: session.status_at(cx.now, &env.settings.sessions).as_str(),
        fva: session.factors.ages(cx.now),
        pnv: false,
        pkv: false,
        pkc: 0,
        token_use,
        was_test: session.was_test,
    };
    Ok(signer.sign(Some("JWT"), &claims)?)
}
