//! Who asks, for which environment, when, and under which request: what every operation is told.

use crate::audit::{ActorKind, Attempts};
use crate::id::{ApiKeyId, ClientId, EnvironmentId, NewId, RequestId, SessionId, UserId};
use crate::time::Timestamp;
use std::net::IpAddr;

/// On whose behalf something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Nobody known: a browser before it has a client.
    Anyone,
    /// A browser or device, nobody signed in.
    Client(ClientId),
    /// A signed-in person.
    User {
        /// Who.
        user: UserId,
        /// By which session.
        session: SessionId,
    },
    /// A backend with a secret key.
    ApiKey(ApiKeyId),
    /// The operator at the command line.
    Operator,
    /// The platform itself: workers and timers.
    System,
}

impl Actor {
    /// What kind of actor the audit log shows. Whoever comes through a browser is a user, known or not.
    pub const fn kind(&self) -> ActorKind {
        match self {
            Self::Anyone | Self::Client(_) | Self::User { .. } => ActorKind::User,
            Self::ApiKey(_) => ActorKind::ApiKey,
            Self::Operator => ActorKind::Operator,
            Self::System => ActorKind::System,
        }
    }

    /// The actor's id, as events and the audit log show it.
    pub fn id(&self) -> Option<String> {
        match self {
            Self::Anyone | Self::Operator | Self::System => None,
            Self::Client(id) => Some(id.to_string()),
            Self::User { user, .. } => Some(user.to_string()),
            Self::ApiKey(id) => Some(id.to_string()),
        }
    }
}

/// Through which door a change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The browser-facing API.
    Fapi,
    /// The backend API.
    Bapi,
    /// The operator.
    Operator,
    /// The platform itself.
    System,
}

impl Surface {
    /// The word of the event log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fapi => "fapi",
            Self::Bapi => "bapi",
            Self::Operator => "operator",
            Self::System => "system",
        }
    }
}

/// A claim on an `Idempotency-Key`, made before the operation and settled inside its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// Whose keys these are: the id of the API key.
    pub scope: String,
    /// Method and path, ids included.
    pub route: String,
    /// The caller's key.
    pub key: String,
    /// Which attempt owns the claim, so that one that was taken over cannot settle it.
    pub owner: RequestId,
}

/// What every operation is told about its request.
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment everything is read from and written to.
    pub env: EnvironmentId,
    /// On whose behalf.
    pub actor: Actor,
    /// Through which door.
    pub surface: Surface,
    /// The time of the request; one request has one time.
    pub now: Timestamp,
    /// The request's id, also the trace id.
    pub request_id: RequestId,
    /// The peer, after trusted proxies were taken away.
    pub ip: Option<IpAddr>,
    /// The caller's `User-Agent`, cut to 512 characters.
    pub user_agent: Option<String>,
    /// Why, in the caller's own words: `X-Authn-Reason`.
    pub reason: Option<String>,
    /// Whether the audit log of the environment keeps the whole address of the peer.
    pub keeps_full_ip: bool,
    /// Who acts in the actor's place, as the backend that allowed it named them.
    pub impersonator: Option<String>,
    /// Whether what happens is a test person's doing.
    pub was_test: bool,
    /// What was tried and has not succeeded.
    pub attempts: Attempts,
    /// The claim on the caller's idempotency key, if one was sent.
    pub idempotency: Option<IdempotencyClaim>,
}

impl Context {
    /// The platform acting by itself.
    pub fn system(env: EnvironmentId, now: Timestamp) -> Self {
        Self {
            env,
            actor: Actor::System,
            surface: Surface::System,
            now,
            request_id: RequestId::new(now, crypto::random::bytes()),
            ip: None,
            user_agent: None,
            reason: None,
            keeps_full_ip: false,
            impersonator: None,
            was_test: false,
            attempts: Attempts::default(),
            idempotency: None,
        }
    }
    /// The operator at the command line.
    pub fn operator(env: EnvironmentId, now: Timestamp) -> Self {
        Self { actor: Actor::Operator, surface: Surface::Operator, ..Self::system(env, now) }
    }
    /// A fresh id, made at the time of the request.
    pub fn id<I: NewId>(&self) -> I {
        I::new(self.now, crypto::random::bytes())
    }
}
