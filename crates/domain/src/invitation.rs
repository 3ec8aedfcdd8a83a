//! Invitations to the application: an address, what its person brings along, and a single use.

use crate::email::Email;
use crate::id::InvitationId;
use crate::text::Metadata;
use crate::time::{Timestamp, hours};
use std::time::Duration;

/// How long an invitation may be followed when nothing else is said.
pub const LIFETIME: Duration = hours(30 * 24);

/// The most rows of one batch.
pub const BATCH_MAX: usize = 500;

/// Where an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationStatus {
    /// May be followed.
    Pending,
    /// Was followed to its end.
    Accepted,
    /// Was taken back.
    Revoked,
    /// Is past its time.
    Expired,
}

impl InvitationStatus {
    /// The word of the wire and of the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Revoked, Self::Expired].into_iter().find(|s| s.as_str() == text)
    }
}

/// By which way a ticket of an invitation travels, which decides what it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The `url` that a backend reads and hands to whomever it likes: it proves nothing of the address.
    Link,
    /// The mail: who has it reads the mailbox.
    Mail,
}

impl Carrier {
    /// The word that the ticket is made from. Never change it: that would end every ticket that is out.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Mail => "mail",
        }
    }
}

/// An invitation, without its tickets.
#[derive(Debug, Clone, PartialEq)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub email: Email,
    /// The address in the form that is unique among those that wait.
    pub canonical: String,
    /// Where its link leads in the end.
    pub redirect_url: Option<String>,
    /// What the person gets along.
    pub public_metadata: Metadata,
    /// Where it stands, as it was last written; see [`Invitation::status_at`].
    pub status: InvitationStatus,
    /// Whether somebody had the address when it was made.
    pub for_existing: bool,
    /// Counts the tickets that were made for it, so that later ones can differ.
    pub generation: i64,
    /// Until when it may be followed; none is for ever.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The invitation was accepted already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the invitation was accepted already")]
pub struct AlreadyAccepted;

/// Why the ticket of an invitation opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRedeemable {
    /// It was used or taken back.
    #[error("the invitation is over")]
    Over,
    /// It is past its time.
    #[error("the invitation is past its time")]
    Expired,
}

impl Invitation {
    /// Where it stands at this time.
    pub fn status_at(&self, now: Timestamp) -> InvitationStatus {
        let is_late = self.expires_at.is_some_and(|at| now >= at);
        if self.status == InvitationStatus::Pending && is_late { InvitationStatus::Expired } else { self.status }
    }

    /// Whether its ticket opens anything at this time.
    pub fn redeemable(&self, now: Timestamp) -> Result<(), NotRedeemable> {
        match self.status_at(now) {
            InvitationStatus::Pending => Ok(()),
            InvitationStatus::Expired => Err(NotRedeemable::Expired),
            InvitationStatus::Accepted | InvitationStatus::Revoked => Err(NotRedeemable::Over),
        }
    }

    /// Takes the invitation back, and says whether that changed anything.
    pub fn revoke(&mut self, now: Timestamp) -> Result<bool, AlreadyAccepted> {
        match self.status {
            InvitationStatus::Accepted => Err(AlreadyAccepted),
            InvitationStatus::Revoked => Ok(false),
            InvitationStatus::Pending | InvitationStatus::Expired => {
                self.status = InvitationStatus::Revoked;
                self.updated_at = now;
                Ok(true)
            }
        }
    }

    /// The page that its link leads to.
    pub const fn leads_to(&self) -> &'static str {
        if self.for_existing { "sign_in" } else { "sign_up" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NewId;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn invitation(expires_at: Option<Timestamp>) -> Invitation {
        Invitation {
            id: InvitationId::new(at(1), [1; 10]),
            email: Email::parse("ann@example.com").unwrap(),
            canonical: "ann@example.com".to_owned(),
            redirect_url: None,
            public_metadata: Metadata::new(),
            status: InvitationStatus::Pending,
            for_existing: false,
            generation: 1,
            expires_at,
            created_at: at(1),
            updated_at: at(1),
        }
    }

    #[test]
    fn an_invitation_runs_out_at_its_very_moment_and_one_without_an_end_never_does() {
        let ends = invitation(Some(at(100)));
        assert_eq!(ends.status_at(at(99)), InvitationStatus::Pending);
        assert_eq!(ends.redeemable(at(99)), Ok(()));
        assert_eq!(ends.status_at(at(100)), InvitationStatus::Expired);
        assert_eq!(ends.redeemable(at(100)), Err(NotRedeemable::Expired));
        assert_eq!(invitation(None).status_at(at(i64::MAX)), InvitationStatus::Pending);
    }

    #[test]
    fn what_is_revoked_stays_so_and_what_was_accepted_is_not_taken_back() {
        let mut waits = invitation(Some(at(100)));
        assert_eq!(waits.revoke(at(50)), Ok(true));
        assert_eq!((waits.status_at(at(500)), waits.updated_at), (InvitationStatus::Revoked, at(50)));
        assert_eq!(waits.revoke(at(60)), Ok(false));
        assert_eq!((waits.redeemable(at(60)), waits.updated_at), (Err(NotRedeemable::Over), at(50)));
        let mut late = invitation(Some(at(100)));
        assert_eq!(late.revoke(at(200)), Ok(true));
        let mut used = Invitation { status: InvitationStatus::Accepted, ..invitation(None) };
        assert_eq!(used.revoke(at(50)), Err(AlreadyAccepted));
        assert_eq!(used.redeemable(at(50)), Err(NotRedeemable::Over));
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for status in ["pending", "accepted", "revoked", "expired"] {
            assert_eq!(InvitationStatus::parse(status).map(InvitationStatus::as_str), Some(status));
        }
        assert_eq!(InvitationStatus::parse("x"), None);
    }
}
