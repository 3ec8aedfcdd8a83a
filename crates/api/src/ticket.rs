//! Sign-in and actor tokens, as a backend sees them.

use crate::open::OpenObject;
use crate::words::{self, words};
use domain::ticket::{Ticket, TicketKind, TicketStatus};
use domain::{ActorTokenId, SignInTokenId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a sign-in token.
    SignInTokenTag ["sign_in_token"];
    /// The type tag of an actor token.
    ActorTokenTag ["actor_token"];
    /// Where a ticket stands.
    TicketStatusWord ["pending", "accepted", "revoked", "expired"];
}

/// The secret part of a ticket: shown once, in the answer that makes it.
#[derive(Clone)]
pub struct TicketSecret {
    /// The ticket, for the strategy `ticket`.
    pub token: String,
    /// The link that carries it.
    pub url: String,
}

/// A ticket that signs a person in, once.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInToken {
    /// Its id.
    pub id: SignInTokenId,
    /// The type tag.
    #[schema(schema_with = words::one::<SignInTokenTag>)]
    pub object: SignInTokenTag,
    /// Whom it signs in.
    pub user_id: UserId,
    /// Where it stands.
    #[schema(schema_with = words::one::<TicketStatusWord>)]
    pub status: TicketStatusWord,
    /// The link that carries it; only in the answer that makes it.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
    /// The ticket; only in the answer that makes it.
    #[schema(required)]
    pub token: Option<String>,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A ticket that lets an operator act in a person's place, once and for a short time.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorToken {
    /// Its id.
    pub id: ActorTokenId,
    /// The type tag.
    #[schema(schema_with = words::one::<ActorTokenTag>)]
    pub object: ActorTokenTag,
    /// In whose place.
    pub user_id: UserId,
    /// Who acts; the claim `act` of the session's tokens.
    pub actor: OpenObject,
    /// Where it stands.
    #[schema(schema_with = words::one::<TicketStatusWord>)]
    pub status: TicketStatusWord,
    /// The link that carries it; only in the answer that makes it.
    #[schema(required, format = "uri")]
    pub url: Option<String>,
    /// The ticket; only in the answer that makes it.
    #[schema(required)]
    pub token: Option<String>,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is shown of a ticket of either kind.
pub enum TicketBody {
    /// A sign-in token.
    SignIn(SignInToken),
    /// An actor token.
    Actor(ActorToken),
}

impl TicketBody {
    /// A ticket at this time, with its secret in the answer that makes it.
    pub fn new(ticket: &Ticket, secret: Option<TicketSecret>, now: Timestamp) -> Self {
        let status = match ticket.status_at(now) {
            TicketStatus::Pending => "pending",
            TicketStatus::Accepted => "accepted",
            TicketStatus::Revoked => "revoked",
            TicketStatus::Expired => "expired",
        };
        let status = TicketStatusWord(status);
        let (token, url) = secret.map(|s| (s.token, s.url)).unzip();
        let (user_id, expires_at) = (ticket.user_id, ticket.expires_at);
        let (created_at, updated_at) = (ticket.created_at, ticket.updated_at);
        match &ticket.kind {
            TicketKind::SignIn(id) => Self::SignIn(SignInToken {
                id: *id,
                object: SignInTokenTag("sign_in_token"),
                user_id,
                status,
                url,
                token,
                expires_at,
                created_at,
                updated_at,
            }),
            TicketKind::Actor { id, actor, .. } => Self::Actor(ActorToken {
                id: *id,
                object: ActorTokenTag("actor_token"),
                user_id,
                actor: OpenObject(actor.clone()),
                status,
                url,
                token,
                expires_at,
                created_at,
                updated_at,
            }),
        }
    }
}
