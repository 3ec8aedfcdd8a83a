//! Who calls: each caller is an argument of the handler, so that a handler without one says nothing.

use crate::actions;
use crate::cookies;
use crate::error::{ApiError, NoEdge, OrFault};
use crate::limits;
use crate::state::{Asked, caller};
use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest};
use domain::action::OPERATORS;
use domain::audit::Denial;
use domain::client::Client;
use domain::environment::Environment;
use domain::session::{Session, SessionStatus};
use domain::user::User;
use domain::{Actor, ClientId, Context, Kind, code};
use engine::Engine;
use engine::api_keys::{KeyError, Opened, Shown};
use engine::callers::{Credential, DeviceCookie};
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;

/// Why a write is made, in the words of whoever makes it.
const REASON: &str = "X-Authn-Reason";

/// The longest reason, in characters.
const REASON_MAX: usize = 256;

/// Anybody at all, at an environment's FAPI.
pub struct Anyone {
    /// What operations are told.
    pub cx: Context,
    /// The environment.
    pub env: Arc<Environment>,
}

/// A browser, known or not yet.
pub struct MaybeDevice {
    /// What operations are told; the actor is the client, if there is one.
    pub cx: Context,
    /// The environment.
    pub env: Arc<Environment>,
    /// The client whose secret was presented.
    pub client: Option<Client>,
    /// The secret was the client's until a moment ago: it proves nothing, and the answer sets no cookie.
    pub just_replaced: bool,
}

/// A browser with a valid client cookie.
pub struct Device {
    /// What operations are told; the actor is the client.
    pub cx: Context,
    /// The environment.
    pub env: Arc<Environment>,
    /// The client.
    pub client: Client,
}

/// A browser's client cookie as it was presented: the operation weighs it together with what it reads.
pub struct DeviceToken {
    /// What operations are told; the actor is the client that the cookie names.
    pub cx: Context,
    /// The environment.
    pub env: Arc<Environment>,
    /// The cookie, not weighed yet.
    pub cookie: DeviceCookie,
}

/// A person with an active session. Writes of somebody who acts in the person's place are refused; so is everything in a
/// session that waits for its second factor.
pub struct SignedIn {
    /// What operations are told; the actor is the user.
    pub cx: Context,
    /// The environment.
    pub env: Arc<Environment>,
    /// The session.
    pub session: Session,
    /// The person.
    pub user: User,
    /// The client that holds the session.
    pub client_id: ClientId,
}

impl SignedIn {
    /// Whether the session waits for its second factor.
    pub fn is_pending(&self) -> bool {
        self.session.status == SessionStatus::Pending
    }

    /// Refuses a sensitive change unless the person proved a factor within the last ten minutes. Whoever is refused
    /// hears so before anything is worked on; the change itself looks again.
    pub async fn require_fresh(&self, engine: &Engine) -> Result<(), ApiError> {
        let looked = engine::standing::require_fresh(engine, &self.cx, &self.session, &self.user).await;
        Ok(looked.or_fault()??)
    }
}

/// The same, or a person whose session waits for its second factor: for what leads to one, and nothing else.
pub struct Enrolling(pub SignedIn);

/// A backend with a secret key of the environment.
pub struct SecretKey {
    /// What operations are told; the actor is the key.
    pub cx: Context,
    /// The key's environment.
    pub env: Arc<Environment>,
    /// The key, as it was shown.
    pub key: Shown,
}

/// An operator: whoever holds a secret key of the operators' own environment. For anybody else the route does not
/// exist; so it is for a [`crate::Write`] below `/v1/admin`.
pub struct Operator {
    /// What operations are told; the environment is the operators' own, the actor is the key.
    pub cx: Context,
    /// The operators' own environment.
    pub env: Arc<Environment>,
    /// The key, as it was shown.
    pub key: Shown,
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1), the scheme in any case.
pub(crate) enum Bearer {
    Absent,
    /// Present, but repeated, of another scheme or not readable: authenticates nobody.
    Unreadable,
    Token(String),
}

impl Bearer {
    pub fn of(req: &HttpRequest) -> Self {
        Self::read(req.headers())
    }

    pub fn read(headers: &actix_web::http::header::HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION);
        let Some(value) = values.next() else { return Self::Absent };
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        match token {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() => {
                Self::Token(token.trim().to_owned())
            }
            _ => Self::Unreadable,
        }
    }
}

enum Presented {
    Known(Client),
    JustReplaced,
    Unknown,
}

fn device_cookie(asked: &Asked) -> Option<DeviceCookie> {
    // A request with a bearer skips the origin rule; its cookies must not authenticate it.
    if !matches!(Bearer::of(&asked.req), Bearer::Absent) {
        return None;
    }
    match cookies::read(asked.req.headers(), cookies::CLIENT) {
        Some(value) => DeviceCookie::parse(value),
        None => {
            let linked = asked.state.linked_device.borrow();
            linked.as_ref().and_then(|value| DeviceCookie::parse(value.expose()))
        }
    }
}

async fn presented(asked: &Asked, env: &Environment) -> Result<Presented, ApiError> {
    let Some(cookie) = device_cookie(asked) else { return Ok(Presented::Unknown) };
    let device = engine::callers::device(&asked.engine, env, &cookie, asked.state.now).await.or_fault()?;
    Ok(match device {
        engine::callers::Device::Known(client) => Presented::Known(client),
        engine::callers::Device::JustReplaced(_) => {
            asked.state.jar.withhold();
            Presented::JustReplaced
        }
        engine::callers::Device::Unknown => Presented::Unknown,
    })
}

async fn signed_in(asked: &Asked, env: &Environment) -> Result<engine::callers::SignedIn, ApiError> {
    let (engine, now) = (&asked.engine, asked.state.now);
    let missing = || ApiError::refuse(Kind::Unauthenticated, code::SESSION_TOKEN_MISSING);
    match Bearer::of(&asked.req) {
        // A bad bearer is refused, never replaced by a cookie.
        Bearer::Unreadable => return Err(ApiError::refuse(Kind::Unauthenticated, code::SESSION_TOKEN_INVALID)),
        Bearer::Token(token) => {
            return Ok(engine::callers::signed_in(engine, env, &Credential::Bearer(token), now).await?);
        }
        Bearer::Absent => {}
    }
    let mut refused = None;
    if let Some(token) = cookies::read(asked.req.headers(), cookies::SESSION) {
        let credential = Credential::SessionCookie(token.to_owned());
        match engine::callers::signed_in(engine, env, &credential, now).await.map_err(ApiError::from) {
            Ok(found) => return Ok(found),
            Err(error) if error.refused().is_empty() => return Err(error),
            Err(error) => refused = Some(error),
        }
    }
    let Some(cookie) = device_cookie(asked) else { return Err(refused.unwrap_or_else(missing)) };
    let found = engine::callers::signed_in(engine, env, &Credential::Client(cookie), now).await;
    // What was wrong with the session's own cookie tells more than what the device lacks.
    found.map_err(|error| refused.unwrap_or_else(|| error.into()))
}

/// The one door of everything that asks for a session; whether a pending one is enough, its two callers say.
async fn person(asked: &Asked) -> Result<SignedIn, ApiError> {
    let env = asked.env()?;
    let found = signed_in(asked, &env).await?;
    let impersonator = found
        .session
        .actor
        .as_ref()
        .map(|actor| actor.get("sub").and_then(|sub| sub.as_str()).unwrap_or_default().to_owned());
    asked.state.impersonator.replace(impersonator);
    let cx = asked.context(&env, Actor::User { user: found.user.id, session: found.session.id });
    // Whoever acts in a person's place looks and changes nothing: a write is refused before it is thought of.
    if cx.impersonator.is_some() && !asked.req.method().is_safe() {
        return Err(ApiError::refuse(Kind::Forbidden, code::ACTOR_SESSION_FORBIDDEN));
    }
    Ok(SignedIn { cx, env, session: found.session, user: found.user, client_id: found.client_id })
}

/// The one door of the backend API: whoever comes through holds a live key that may do what is asked.
pub(crate) async fn secret_key(asked: &Asked) -> Result<SecretKey, ApiError> {
    let Bearer::Token(secret) = Bearer::of(&asked.req) else {
        return Err(ApiError::refuse(Kind::Unauthenticated, code::AUTHENTICATION_INVALID));
    };
    let secret = crypto::Secret::new(secret);
    let found = engine::api_keys::authenticate(&asked.engine, secret.expose(), asked.state.now).await;
    if let Err(KeyError::Dead { key, env }) = &found
        && let Ok(env) = engine::tenancy::environment(&asked.engine, *env).await
        && limits::may_note(asked, &env, *key)
    {
        // Whoever still holds it is told nothing; the environment's audit log is.
        asked.state.env.replace(Some(env));
        asked.state.actor.set(Actor::ApiKey(*key));
        asked.state.attempts.begin(Denial::ApiKeyRefused, &format!("api_key:{key}"));
    }
    let Opened { key, env, age, shown } = found?;
    asked.state.env.replace(Some(Arc::clone(&env)));
    limits::by_route(asked, &env, key.id)?;
    let route = asked.state.route.get().ok_or_else(|| ApiError::fault(NoEdge))?;
    // Before anything is said of permissions: what is not there asks for none.
    if route.operation.group == OPERATORS && !env.is_admin() {
        // Told nothing, but seen: a key of an environment has no business here.
        asked.state.actor.set(Actor::ApiKey(key.id));
        asked.state.attempts.begin(Denial::RequestForbidden, &format!("api_key:{}", key.id));
        return Err(ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND));
    }
    // Made first: a refusal of the key is written down with the key.
    let cx = asked.context(&env, Actor::ApiKey(key.id));
    actions::admit(&route.operation, &key.actions)?;
    actions::admit_secret(&route.operation, age)?;
    Ok(SecretKey { cx: Context { reason: reason(asked)?, ..cx }, env, key: shown })
}

/// Looks again when the body is there, which may have taken half a minute: whoever was revoked or rotated away
/// meanwhile does nothing more, and hears no answer that was kept for somebody else.
pub(crate) async fn still_opens(asked: &Asked, key: Shown) -> Result<(), ApiError> {
    let stranger = || ApiError::refuse(Kind::Unauthenticated, code::AUTHENTICATION_INVALID);
    let Bearer::Token(secret) = Bearer::of(&asked.req) else { return Err(stranger()) };
    let secret = crypto::Secret::new(secret);
    let found = engine::api_keys::authenticate(&asked.engine, secret.expose(), asked.engine.now()).await?;
    let route = asked.state.route.get().ok_or_else(|| ApiError::fault(NoEdge))?;
    actions::admit_secret(&route.operation, found.age)?;
    if found.key.id == key.key { Ok(()) } else { Err(stranger()) }
}

/// Why a backend writes, for the audit log; a read needs no reason, and one that is sent along is not looked at.
fn reason(asked: &Asked) -> Result<Option<String>, ApiError> {
    if asked.req.method().is_safe() {
        return Ok(None);
    }
    let mut values = asked.req.headers().get_all(REASON);
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).ok().map(str::trim);
    let proper = |text: &&str| (1..=REASON_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    match text.filter(proper) {
        Some(text) if values.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, REASON)),
    }
}

macro_rules! callers {
    ($($caller:ident = $find:expr;)*) => { $(
        impl FromRequest for $caller {
            type Error = ApiError;
            type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

            fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
                caller(req, $find)
            }
        }
    )* };
}

callers! {
    Anyone = async |asked: &Asked| {
        let env = asked.env()?;
        Ok(Self { cx: asked.context(&env, Actor::Anyone), env })
    };
    MaybeDevice = async |asked: &Asked| {
        let env = asked.env()?;
        let (client, just_replaced) = match presented(asked, &env).await? {
            Presented::Known(client) => (Some(client), false),
            Presented::JustReplaced => (None, true),
            Presented::Unknown => (None, false),
        };
        let actor = client.as_ref().map_or(Actor::Anyone, |c| Actor::Client(c.id));
        Ok(Self { cx: asked.context(&env, actor), env, client, just_replaced })
    };
    Device = async |asked: &Asked| {
        let env = asked.env()?;
        let Presented::Known(client) = presented(asked, &env).await? else {
            return Err(ApiError::refuse(Kind::Unauthenticated, code::CLIENT_NOT_FOUND));
        };
        Ok(Self { cx: asked.context(&env, Actor::Client(client.id)), env, client })
    };
    DeviceToken = async |asked: &Asked| {
        let env = asked.env()?;
        let Some(cookie) = device_cookie(asked) else {
            return Err(ApiError::refuse(Kind::Unauthenticated, code::CLIENT_NOT_FOUND));
        };
        Ok(Self { cx: asked.context(&env, Actor::Client(cookie.client_id)), env, cookie })
    };
    SignedIn = async |asked: &Asked| {
        let found = person(asked).await?;
        if found.is_pending() {
            return Err(ApiError::refuse(Kind::Forbidden, code::SESSION_PENDING));
        }
        Ok(found)
    };
    Enrolling = async |asked: &Asked| person(asked).await.map(Self);
    SecretKey = secret_key;
    Operator = async |asked: &Asked| {
        let SecretKey { cx, env, key } = secret_key(asked).await?;
        if !env.is_admin() {
            return Err(ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND));
        }
        Ok(Self { cx, env, key })
    };
}
