//! A browser or device: holds sessions and the attempts in progress.

use crate::id::{ClientId, SessionId};
use crate::time::Timestamp;
use crypto::TokenHash;
use std::time::Duration;

/// How long the value before the last one is answered without a cookie.
pub const OLD_SECRET_GRACE: Duration = Duration::from_secs(60);

/// A client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// The hash of the secret in its cookie.
    pub secret_hash: TokenHash,
    /// The hash before the last change, and until when it is told apart from a stranger's.
    pub previous: Option<(TokenHash, Timestamp)>,
    /// The session used last.
    pub last_active_session_id: Option<SessionId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a presented client secret is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the client's.
    Current,
    /// It was the client's until a moment ago: proves nothing, but a new cookie must not be set over the newer one.
    JustReplaced,
    /// It is worth nothing.
    Worthless,
}

impl Client {
    /// Says what a secret is worth, in constant time.
    pub fn weigh(&self, secret: &str, now: Timestamp) -> Presented {
        if self.secret_hash.matches(secret.as_bytes()) {
            return Presented::Current;
        }
        match &self.previous {
            Some((hash, until)) if now < *until && hash.matches(secret.as_bytes()) => Presented::JustReplaced,
            _ => Presented::Worthless,
        }
    }

    /// Gives the client a new secret: what somebody planted before a sign-in is worth nothing after it.
    pub fn change_secret(&mut self, secret: &str, now: Timestamp) {
        let old = std::mem::replace(&mut self.secret_hash, TokenHash::of_str(secret));
        self.previous = Some((old, now + OLD_SECRET_GRACE));
        self.updated_at = now;
    }
}
