//! A sign-in attempt: from an identifier to a session.

use crate::challenge::{Challenge, LIFETIME, may_be_open};
use crate::code::{self, Code};
use crate::id::{ChallengeId, ClientId, InvitationId, PhoneNumberId, SessionId, SignInId, UserId};
use crate::identifier::Identifier;
use crate::settings::Settings;
use crate::strategy::Strategy;
use crate::time::{Timestamp, hours, minutes};
use crate::user::Person;
use std::time::Duration;

/// How long a proof may be carried over to the other flow.
pub const TRANSFER_WINDOW: Duration = minutes(10);

/// Where a sign-in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInStatus {
    /// Who is it?
    NeedsIdentifier,
    /// Prove it.
    NeedsFirstFactor,
    /// Prove it once more.
    NeedsSecondFactor,
    /// Choose a new password.
    NeedsNewPassword,
    /// Show that this new device is one's own.
    NeedsClientTrust,
    /// Nobody is known by it: sign up.
    Transferable,
    /// A session exists.
    Complete,
    /// Too old, or replaced by another.
    Abandoned,
}

impl SignInStatus {
    const ALL: [Self; 8] = [
        Self::NeedsIdentifier,
        Self::NeedsFirstFactor,
        Self::NeedsSecondFactor,
        Self::NeedsNewPassword,
        Self::NeedsClientTrust,
        Self::Transferable,
        Self::Complete,
        Self::Abandoned,
    ];
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsIdentifier => "needs_identifier",
            Self::NeedsFirstFactor => "needs_first_factor",
            Self::NeedsSecondFactor => "needs_second_factor",
            Self::NeedsNewPassword => "needs_new_password",
            Self::NeedsClientTrust => "needs_client_trust",
            Self::Transferable => "transferable",
            Self::Complete => "complete",
            Self::Abandoned => "abandoned",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
    /// Whether nothing more can happen to it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Abandoned)
    }
}

/// The first factor, once it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstProof {
    /// The way.
    pub strategy: Strategy,
    /// When.
    pub at: Timestamp,
    /// The number a code was sent to: it does not serve a second time.
    pub number: Option<PhoneNumberId>,
}

/// A sign-in attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Its id.
    pub id: SignInId,
    /// The client it began on; no other may touch it.
    pub client_id: ClientId,
    /// Where it stands, as it was last written; see [`SignIn::status_at`].
    pub status: SignInStatus,
    /// Who it is said to be.
    pub identifier: Option<Identifier>,
    /// Who it is: pinned by the first proof, so that a later step cannot be about somebody else.
    pub user_id: Option<UserId>,
    /// The first factor, once proven. A transferable attempt without one was only declared.
    pub first: Option<FirstProof>,
    /// The invitation that brought somebody here, while it is not spent.
    pub invitation_id: Option<InvitationId>,
    /// The challenge that is open.
    pub current_challenge_id: Option<ChallengeId>,
    /// What came of it.
    pub created_session_id: Option<SessionId>,
    /// When it is given up.
    pub abandon_at: Timestamp,
    /// Whether it is a test person's.
    pub was_test: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The attempt cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInOver {
    /// Too old, or replaced.
    #[error("the sign-in was abandoned")]
    Abandoned,
    /// Done.
    #[error("the sign-in is complete")]
    Complete,
}

impl SignInOver {
    /// The code the caller reads.
    pub const fn code(self) -> Code {
        match self {
            Self::Abandoned => code::SIGN_IN_ABANDONED,
            Self::Complete => code::SIGN_IN_ALREADY_COMPLETE,
        }
    }
}

impl SignIn {
    /// Begins an attempt.
    pub fn begin(id: SignInId, client_id: ClientId, identifier: Option<Identifier>, now: Timestamp) -> Self {
        let status = if identifier.is_some() { SignInStatus::NeedsFirstFactor } else { SignInStatus::NeedsIdentifier };
        Self {
            id,
            client_id,
            status,
            identifier,
            user_id: None,
            first: None,
            invitation_id: None,
            current_challenge_id: None,
            created_session_id: None,
            abandon_at: now + hours(24),
            was_test: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Where it stands at this time.
    pub fn status_at(&self, now: Timestamp) -> SignInStatus {
        if !self.status.is_terminal() && now >= self.abandon_at { SignInStatus::Abandoned } else { self.status }
    }

    /// Whether it may go on.
    pub fn open(&self, now: Timestamp) -> Result<SignInStatus, SignInOver> {
        match self.status_at(now) {
            SignInStatus::Abandoned => Err(SignInOver::Abandoned),
            SignInStatus::Complete => Err(SignInOver::Complete),
            status => Ok(status),
        }
    }

    /// The strategies that are possible now. For the first factor it is the environment's list for this kind of
    /// identifier; with enumeration protection nothing about the person shows in it, without it what the person
    /// lacks is left out. The second factors, and what shows that a device is the person's, are the person's own.
    pub fn supported_strategies(&self, now: Timestamp, settings: &Settings, person: Option<&Person>) -> Vec<Strategy> {
        let telling = !settings.attack_protection.enumeration_protection;
        match self.status_at(now) {
            SignInStatus::NeedsIdentifier => settings.identifying_factors(),
            SignInStatus::NeedsFirstFactor => {
                let Some(identifier) = &self.identifier else { return settings.identifying_factors() };
                let mut all = settings.first_factors(identifier.kind);
                if let (true, Some(person)) = (telling, person) {
                    all.retain(|strategy| match strategy {
                        Strategy::Password => person.user.password_digest.is_some(),
                        Strategy::Passkey => !person.passkeys.is_empty(),
                        Strategy::PhoneCode => person
                            .phone_numbers
                            .iter()
                            .any(|p| p.number.as_str() == identifier.canonical && person.is_first_factor_number(p)),
                        _ => true,
                    });
                }
                all
            }
            SignInStatus::NeedsSecondFactor => {
                person.map(|p| p.second_factors_after(self.first_number())).unwrap_or_default()
            }
            SignInStatus::NeedsNewPassword => vec![Strategy::Password],
            SignInStatus::NeedsClientTrust => person.map(|p| p.trust_proofs(settings)).unwrap_or_default(),
            SignInStatus::Transferable | SignInStatus::Complete | SignInStatus::Abandoned => Vec::new(),
        }
    }

    /// The challenge that is open at this time.
    pub fn current_challenge(&self, now: Timestamp) -> Option<ChallengeId> {
        self.current_challenge_id.filter(|id| may_be_open(*id, now))
    }

    /// Whether a link was confirmed in another browser: the session begins when the client comes for it, while the
    /// proof is fresh.
    pub fn waits_for_its_client(&self, now: Timestamp) -> bool {
        let fresh = |first: &FirstProof| first.strategy == Strategy::EmailLink && now < first.at + LIFETIME;
        self.status_at(now) == SignInStatus::NeedsFirstFactor && self.first.as_ref().is_some_and(fresh)
    }

    /// Forgets a challenge that is over; says whether it was the current one.
    pub fn let_go(&mut self, challenge: &Challenge, now: Timestamp) -> bool {
        let over = challenge.answerable(now).is_err() && self.current_challenge_id == Some(challenge.id);
        if over {
            self.current_challenge_id = None;
        }
        over
    }

    /// The number that was the first factor.
    pub fn first_number(&self) -> Option<PhoneNumberId> {
        self.first.as_ref().and_then(|first| first.number)
    }

    /// Notes the first factor: who it is does not change any more.
    pub fn prove_first(&mut self, user: UserId, proof: FirstProof, now: Timestamp) {
        self.user_id = Some(user);
        self.first = Some(proof);
        self.current_challenge_id = None;
        self.updated_at = now;
    }

    /// Goes to its next step.
    pub fn go_on(&mut self, status: SignInStatus, now: Timestamp) {
        self.status = status;
        self.current_challenge_id = None;
        self.updated_at = now;
    }

    /// Ends the attempt with a session.
    pub fn complete(&mut self, user: UserId, session: SessionId, now: Timestamp) {
        self.status = SignInStatus::Complete;
        self.user_id = Some(user);
        self.created_session_id = Some(session);
        self.current_challenge_id = None;
        self.updated_at = now;
    }

    /// Gives way to another attempt.
    pub fn abandon(&mut self, now: Timestamp) {
        if !self.status.is_terminal() {
            self.status = SignInStatus::Abandoned;
            self.current_challenge_id = None;
            self.updated_at = now;
        }
    }
}
