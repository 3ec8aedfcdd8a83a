//! Tickets that a backend hands out: each signs one person in, once.

use crate::id::{ActorTokenId, SignInTokenId, UserId};
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// What a ticket is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketKind {
    /// A first factor of the person.
    SignIn(SignInTokenId),
    /// Lets an operator act in the person's place.
    Actor {
        /// Its id.
        id: ActorTokenId,
        /// The operator, as the backend names them; the claim `act`.
        actor: Map<String, Value>,
        /// How long the session lives at most.
        session_max: Duration,
    },
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketStatus {
    /// May be used.
    Pending,
    /// Was used.
    Accepted,
    /// Was taken back.
    Revoked,
    /// Is past its time.
    Expired,
}

impl TicketStatus {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
    /// Reads the word of the tables.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Revoked].into_iter().find(|s| s.as_str() == text)
    }
}

/// A ticket, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it is for.
    pub kind: TicketKind,
    /// Whom it signs in.
    pub user_id: UserId,
    /// Where it stands, as it was last written; see [`Ticket::status_at`].
    pub status: TicketStatus,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The ticket was used already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ticket was used already")]
pub struct AlreadyUsed;

impl Ticket {
    /// Its id, of either kind.
    pub fn id(&self) -> String {
        match &self.kind {
            TicketKind::SignIn(id) => id.to_string(),
            TicketKind::Actor { id, .. } => id.to_string(),
        }
    }

    /// Where it stands at this time.
    pub fn status_at(&self, now: Timestamp) -> TicketStatus {
        if self.status == TicketStatus::Pending && now >= self.expires_at { TicketStatus::Expired } else { self.status }
    }

    /// Takes the ticket back; one that was taken back stays so.
    pub fn revoke(&mut self, now: Timestamp) -> Result<(), AlreadyUsed> {
        match self.status {
            TicketStatus::Accepted => return Err(AlreadyUsed),
            TicketStatus::Revoked => {}
            TicketStatus::Pending | TicketStatus::Expired => {
                self.status = TicketStatus::Revoked;
                self.updated_at = now;
            }
        }
        Ok(())
    }
}
