//! Sign-in and actor tokens: a backend hands them out, each signs one person in, once.

use crate::refusals::stored;
use crate::{Engine, StorageError, idempotency, tenancy};
use api::{TicketBody, TicketSecret};
use crypto::{Secret, TokenHash};
use domain::environment::Environment;
use domain::ticket::{AlreadyUsed, Ticket, TicketKind, TicketStatus};
use domain::{ActorTokenId, Context, Kind, Refusal, SignInTokenId, UserId, Verdict, code};
use serde_json::{Map, Value};
use std::time::Duration;
use storage::Tx;

/// Why a ticket is not made or taken back.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// There is no such sign-in token.
    #[error("there is no such sign-in token")]
    NoSignInToken,
    /// There is no such actor token.
    #[error("there is no such actor token")]
    NoActorToken,
    /// It was used.
    #[error(transparent)]
    Used(#[from] AlreadyUsed),
    /// The database failed.
    #[error("the ticket cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(TicketError);

impl Refusal for TicketError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoUser => Kind::NotFound.code(code::USER_NOT_FOUND),
            Self::Banned => Kind::Invalid.code(code::USER_BANNED),
            Self::NoSignInToken => Kind::NotFound.code(code::SIGN_IN_TOKEN_NOT_FOUND),
            Self::NoActorToken => Kind::NotFound.code(code::ACTOR_TOKEN_NOT_FOUND),
            Self::Used(_) => Kind::Conflict.code(code::TICKET_ALREADY_USED),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Which ticket is asked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A first factor of the person.
    SignIn,
    /// A session in which an operator acts in the person's place.
    Actor {
        /// Who acts.
        actor: Map<String, Value>,
        /// How long the session lives at most.
        session_max: Duration,
    },
}

/// Makes a ticket; its secret is in this answer alone.
pub async fn create(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    wanted: Wanted,
    lifetime: Duration,
) -> Result<TicketBody, TicketError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let person = storage::users::lock(tx, cx.env, user).await?.ok_or(TicketError::NoUser)?;
            if person.user.banned {
                return Err(TicketError::Banned);
            }
            let kind = match wanted.clone() {
                Wanted::SignIn => TicketKind::SignIn(cx.id::<SignInTokenId>()),
                Wanted::Actor { actor, session_max } => {
                    TicketKind::Actor { id: cx.id::<ActorTokenId>(), actor, session_max }
                }
            };
            let ticket = Ticket {
                kind,
                user_id: user,
                status: TicketStatus::Pending,
                expires_at: cx.now + lifetime,
                created_at: cx.now,
                updated_at: cx.now,
            };
            let secret = fresh();
            storage::tickets::insert(tx, cx.env, &ticket, &TokenHash::of_str(secret.expose())).await?;
            let shown = TicketSecret { url: link(&tenant.env, &secret), token: secret.expose().clone() };
            let body = TicketBody::new(&ticket, Some(shown), cx.now);
            keep(tx, cx, &tenant, 201, &body, ticket.id()).await?;
            Ok(body)
        })
        .await
}

/// A ticket: `tkt_` and 256 bits.
pub(crate) fn fresh() -> Secret<String> {
    Secret::new(format!("tkt_{}", crypto::random::token().expose()))
}

fn link(env: &Environment, ticket: &Secret<String>) -> String {
    format!("{}/v1/client/handshake?__authn_ticket={}&__authn_status=sign_in", env.issuer, ticket.expose())
}

async fn keep(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &tenancy::Tenant,
    status: i32,
    body: &TicketBody,
    subject: String,
) -> Result<(), StorageError> {
    match body {
        TicketBody::SignIn(body) => idempotency::keep_sealed(tx, cx, &tenant.keys, status, body, subject).await,
        TicketBody::Actor(body) => idempotency::keep_sealed(tx, cx, &tenant.keys, status, body, subject).await,
    }
}

/// Takes a sign-in token back; one that was taken back stays so.
pub async fn revoke_sign_in(engine: &Engine, cx: &Context, id: SignInTokenId) -> Result<TicketBody, TicketError> {
    revoke(engine, cx, id.to_string()).await?.ok_or(TicketError::NoSignInToken)
}

/// Takes an actor token back; a session that it began goes on to its end.
pub async fn revoke_actor(engine: &Engine, cx: &Context, id: ActorTokenId) -> Result<TicketBody, TicketError> {
    revoke(engine, cx, id.to_string()).await?.ok_or(TicketError::NoActorToken)
}

async fn revoke(engine: &Engine, cx: &Context, id: String) -> Result<Option<TicketBody>, TicketError> {
    engine
        .write(cx, async move |tx, cx| {
            let Some(mut ticket) = storage::tickets::lock(tx, cx.env, &id).await? else { return Ok(None) };
            ticket.revoke(cx.now)?;
            storage::tickets::save(tx, cx.env, &ticket).await?;
            idempotency::forget(tx, cx, &ticket.id()).await?;
            Ok(Some(TicketBody::new(&ticket, None, cx.now)))
        })
        .await
}
