//! Who is asking: what a cookie or a token is worth at this moment.

use crate::refusals::stored;
use crate::{Engine, StorageError, events, tenancy};
use crypto::Secret;
use crypto::jws;
use domain::client::{Client, Presented};
use domain::environment::Environment;
use domain::event::EventType;
use domain::session::{Ending, Session, SessionStatus};
use domain::user::User;
use domain::{ClientId, Context, Kind, Refusal, SessionId, Timestamp, UserId, Verdict, code};

/// What the `__client` cookie holds: `<client id>.<secret>`.
#[derive(Clone)]
pub struct DeviceCookie {
    /// Which client.
    pub client_id: ClientId,
    /// Its secret.
    pub secret: Secret<String>,
}

impl DeviceCookie {
    /// Reads a cookie's value; `None` when it has another form.
    pub fn parse(value: &str) -> Option<Self> {
        let (id, secret) = value.split_once('.')?;
        // 32 bytes are 43 characters of base64url.
        if secret.len() != 43 || !secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return None;
        }
        Some(Self { client_id: id.parse().ok()?, secret: Secret::new(secret.to_owned()) })
    }
    /// The cookie's value.
    pub fn value(&self) -> Secret<String> {
        Secret::new(format!("{}.{}", self.client_id, self.secret.expose()))
    }
}

/// What a client cookie is worth.
#[derive(Debug, Clone)]
pub enum Device {
    /// It is the client's.
    Known(Client),
    /// It was the client's until a moment ago: proves nothing, and no new cookie must be set over the newer one.
    JustReplaced(Client),
    /// It is worth nothing.
    Unknown,
}

/// Weighs a client cookie.
pub async fn device(
    engine: &Engine,
    env: &Environment,
    cookie: &DeviceCookie,
    now: Timestamp,
) -> Result<Device, StorageError> {
    let found = storage::clients::find(&mut *engine.read().await?, env.id, cookie.client_id).await?;
    let Some(client) = found else { return Ok(Device::Unknown) };
    Ok(match client.weigh(cookie.secret.expose(), now) {
        Presented::Current => Device::Known(client),
        Presented::JustReplaced => Device::JustReplaced(client),
        Presented::Worthless => Device::Unknown,
    })
}

/// What a caller shows for a session.
#[derive(Clone)]
pub enum Credential {
    /// `Authorization: Bearer`.
    Bearer(String),
    /// The `__session` cookie.
    SessionCookie(String),
    /// The `__client` cookie: the session used last.
    Client(DeviceCookie),
}

/// A signed-in person.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The person.
    pub user: User,
    /// The client the session lives on.
    pub client_id: ClientId,
}

/// Why a credential is refused.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// None was shown, or the client has no live session.
    #[error("no session is shown")]
    Missing,
    /// It does not verify.
    #[error("the session token is not valid")]
    Invalid,
    /// The session is over.
    #[error("the session is over")]
    Revoked,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// An operator has locked the person.
    #[error("the user is locked")]
    Locked {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The database failed.
    #[error("the caller cannot be looked up")]
    Storage(#[from] StorageError),
}
stored!(CallerError);

impl Refusal for CallerError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Missing => Kind::Unauthenticated.code(code::SESSION_TOKEN_MISSING),
            Self::Invalid => Kind::Unauthenticated.code(code::SESSION_TOKEN_INVALID),
            Self::Revoked => Kind::Unauthenticated.code(code::SESSION_REVOKED),
            Self::Banned => Kind::Unauthenticated.code(code::USER_BANNED),
            Self::Locked { until } => {
                Kind::Unauthenticated.code(code::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Finds the signed-in person behind a credential. The rows are read at every call.
pub async fn signed_in(
    engine: &Engine,
    env: &Environment,
    credential: &Credential,
    now: Timestamp,
) -> Result<SignedIn, CallerError> {
    let (session, claimed) = match credential {
        Credential::Bearer(token) => verified(engine, env, token, TokenUse::Bearer, now).await?,
        Credential::SessionCookie(token) => verified(engine, env, token, TokenUse::Cookie, now).await?,
        Credential::Client(cookie) => match device(engine, env, cookie, now).await? {
            Device::Known(client) => (current(engine, env, &client, now).await?, None),
            Device::JustReplaced(_) | Device::Unknown => return Err(CallerError::Missing),
        },
    };
    let (session, user) = {
        let mut conn = engine.read().await?;
        let session = storage::sessions::find(&mut conn, env.id, session).await?.ok_or(CallerError::Revoked)?;
        let user = storage::users::find(&mut conn, env.id, session.user_id).await?.ok_or(CallerError::Revoked)?;
        (session, user)
    };
    if claimed.is_some_and(|id| id != session.user_id) {
        return Err(CallerError::Invalid);
    }
    if !session.status_at(now, &env.settings.sessions).is_live() {
        // A client without a live session shows none; a token for a dead one was worth something once.
        return Err(if claimed.is_some() { CallerError::Revoked } else { CallerError::Missing });
    }
    admit(&user, now)?;
    // What somebody does in the person's place is no activity of the person's.
    if session.actor.is_none() {
        engine.shared().activity.session(env, (session.id, session.user_id), session.last_active_at, now);
    }
    Ok(SignedIn { client_id: session.client_id, session, user })
}

/// The session a client stands for: the one used last, or the newest live one when that is over.
async fn current(
    engine: &Engine,
    env: &Environment,
    client: &Client,
    now: Timestamp,
) -> Result<SessionId, CallerError> {
    let live = storage::sessions::of_client(&mut *engine.read().await?, env.id, client.id, now).await?;
    let mut live = live.into_iter().filter(|s| s.status_at(now, &env.settings.sessions).is_live()).peekable();
    let newest = live.peek().map(|s| s.id);
    let last = live.find(|s| Some(s.id) == client.last_active_session_id).map(|s| s.id);
    last.or(newest).ok_or(CallerError::Missing)
}

/// Whether a person may use a live session.
fn admit(user: &User, now: Timestamp) -> Result<(), CallerError> {
    if user.banned {
        return Err(CallerError::Banned);
    }
    match user.operator_lock(now) {
        Some(lock) => Err(CallerError::Locked { until: lock.until }),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenUse {
    Bearer,
    Cookie,
}

/// Verifies a session token (RFC 7519 section 7.2, RFC 8725): our key by `kid` and its own algorithm, our
/// issuer, its time, and every mark that tells a session token from the other kinds.
async fn verified(
    engine: &Engine,
    env: &Environment,
    token: &str,
    token_use: TokenUse,
    now: Timestamp,
) -> Result<(SessionId, Option<UserId>), CallerError> {
    let tenant = tenancy::trusted(engine, env.id).await?;
    let header = jws::parse_unverified_header(token).map_err(|_| CallerError::Invalid)?;
    let verifier = tenant.keys.verifier(&header.kid).ok_or(CallerError::Invalid)?;
    let token = verifier.verify(token).map_err(|_| CallerError::Invalid)?;
    let claims = &token.claims;
    let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
    let wanted_use = match token_use {
        TokenUse::Bearer => None,
        TokenUse::Cookie => Some("cookie"),
    };
    let proper = token.header.typ.as_deref() == Some("JWT")
        && text("iss") == Some(env.issuer.as_str())
        && claims.get("v").and_then(serde_json::Value::as_i64) == Some(2)
        && claims.get("token_use").is_none_or(serde_json::Value::is_string)
        && text("token_use") == wanted_use
        && claims.get("aud").is_none()
        && jws::validate_times(claims, now.seconds(), 0).is_ok();
    if !proper {
        return Err(CallerError::Invalid);
    }
    let session = text("sid").and_then(|t| t.parse().ok()).ok_or(CallerError::Invalid)?;
    let user = text("sub").and_then(|t| t.parse().ok()).ok_or(CallerError::Invalid)?;
    Ok((session, Some(user)))
}

/// Takes the session of a person away who is banned or locked by now; the row was read a moment ago.
pub(crate) async fn take_away(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    id: SessionId,
) -> Result<(), StorageError> {
    let settings = env.settings.clone();
    engine
        .write(cx, async move |tx, cx| {
            let Some(mut session) = storage::sessions::lock(tx, cx.env, id).await? else {
                return Ok::<_, StorageError>(());
            };
            if session.finish(Ending::Revoked, cx.now, &settings.sessions).is_ok() {
                storage::sessions::save(tx, cx.env, &session).await?;
                events::session(tx, cx, EventType::SessionRevoked, &session, &settings).await?;
            }
            Ok(())
        })
        .await
}

/// Whether a status lets a token be minted.
pub(crate) fn is_mintable(status: SessionStatus) -> bool {
    status.is_live()
}
