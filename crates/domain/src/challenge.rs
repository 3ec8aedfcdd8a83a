//! One proof that is asked for: issued, answered a few times at most, over.

use crate::code::{self, Code};
use crate::id::{ChallengeId, EmailAddressId, PhoneNumberId, SessionId, SignInId, SignUpId, UserId};
use crate::strategy::Strategy;
use crate::time::{Timestamp, minutes};
use std::time::Duration;

/// How long a challenge may be answered.
pub const LIFETIME: Duration = minutes(10);

/// Whether a challenge can still be open, by its id alone: its time is in it.
pub fn may_be_open(id: ChallengeId, now: Timestamp) -> bool {
    now < id.made_at() + LIFETIME
}

/// What a challenge belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parent {
    /// A sign-in.
    SignIn(SignInId),
    /// A sign-up.
    SignUp(SignUpId),
    /// An address of a signed-in person.
    EmailAddress(EmailAddressId),
    /// A phone number of a signed-in person.
    PhoneNumber(PhoneNumberId),
    /// A session that proves a factor anew.
    Session(SessionId),
    /// A signed-in person who registers a passkey.
    User(UserId),
}

impl Parent {
    /// The word of the tables.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SignIn(_) => "sign_in",
            Self::SignUp(_) => "sign_up",
            Self::EmailAddress(_) => "email_address",
            Self::PhoneNumber(_) => "phone_number",
            Self::Session(_) => "session",
            Self::User(_) => "user",
        }
    }
    /// The parent's id.
    pub fn id(&self) -> String {
        match self {
            Self::SignIn(id) => id.to_string(),
            Self::SignUp(id) => id.to_string(),
            Self::EmailAddress(id) => id.to_string(),
            Self::PhoneNumber(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::User(id) => id.to_string(),
        }
    }
    /// Reads the two columns of the tables.
    pub fn parse(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "sign_in" => id.parse().ok().map(Self::SignIn),
            "sign_up" => id.parse().ok().map(Self::SignUp),
            "email_address" => id.parse().ok().map(Self::EmailAddress),
            "phone_number" => id.parse().ok().map(Self::PhoneNumber),
            "session" => id.parse().ok().map(Self::Session),
            "user" => id.parse().ok().map(Self::User),
            _ => None,
        }
    }
}

/// Which factor it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first factor.
    First,
    /// The second factor.
    Second,
    /// No factor: an address.
    Single,
}

impl Step {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Single => "single",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::First, Self::Second, Self::Single].into_iter().find(|s| s.as_str() == text)
    }
}

/// Where a challenge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeStatus {
    /// May be answered.
    Pending,
    /// Proven.
    Verified,
    /// Proven, but it belongs to the other flow.
    Transferable,
    /// Too many wrong answers.
    Failed,
    /// Past its time, or replaced by a newer one.
    Expired,
}

impl ChallengeStatus {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Transferable => "transferable",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Verified, Self::Transferable, Self::Failed, Self::Expired]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// A challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Its id.
    pub id: ChallengeId,
    /// What it belongs to.
    pub parent: Parent,
    /// The way to prove.
    pub strategy: Strategy,
    /// Which factor it is about.
    pub step: Step,
    /// Where it stands, as it was last written; see [`Challenge::status_at`].
    pub status: ChallengeStatus,
    /// Answers so far.
    pub attempts: u32,
    /// Until when it may be answered.
    pub expire_at: Timestamp,
    /// What is proven: the canonical form of the address, or the number, that something was sent to.
    pub target: Option<String>,
    /// The keyed hash of the code; `None` when no code would be right.
    pub code_mac: Option<Vec<u8>>,
    /// What names the challenge to whoever polls or answers it; proves nothing.
    pub nonce: Option<String>,
    /// The hash of the ticket inside a mailed link; the ticket itself is in the mail alone.
    pub ticket_hash: Option<Vec<u8>>,
    /// Where the click of a mailed link lands.
    pub redirect_url: Option<String>,
    /// What a ceremony was begun with, as its library keeps it; never shown.
    pub state: Option<String>,
    /// What the browser's authenticator is asked with.
    pub options: Option<serde_json::Value>,
    /// The last failure.
    pub error: Option<String>,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Why a challenge cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswerable {
    /// Proven already.
    #[error("the challenge is verified already")]
    AlreadyVerified,
    /// Past its time.
    #[error("the challenge is past its time")]
    Expired,
    /// Failed for good.
    #[error("the challenge has failed")]
    Failed,
}

impl NotAnswerable {
    /// The code the caller reads.
    pub const fn code(self) -> Code {
        match self {
            Self::AlreadyVerified => code::VERIFICATION_ALREADY_VERIFIED,
            Self::Expired => code::VERIFICATION_EXPIRED,
            Self::Failed => code::VERIFICATION_FAILED,
        }
    }
}

impl Challenge {
    /// A fresh challenge.
    pub fn issue(id: ChallengeId, parent: Parent, strategy: Strategy, step: Step, now: Timestamp) -> Self {
        Self {
            id,
            parent,
            strategy,
            step,
            status: ChallengeStatus::Pending,
            attempts: 0,
            expire_at: now + LIFETIME,
            target: None,
            code_mac: None,
            nonce: None,
            ticket_hash: None,
            redirect_url: None,
            state: None,
            options: None,
            error: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Where it stands at this time.
    pub fn status_at(&self, now: Timestamp) -> ChallengeStatus {
        if self.status == ChallengeStatus::Pending && now >= self.expire_at {
            ChallengeStatus::Expired
        } else {
            self.status
        }
    }

    /// Whether an answer may be looked at.
    pub fn answerable(&self, now: Timestamp) -> Result<(), NotAnswerable> {
        match self.status_at(now) {
            ChallengeStatus::Pending => Ok(()),
            ChallengeStatus::Verified | ChallengeStatus::Transferable => Err(NotAnswerable::AlreadyVerified),
            ChallengeStatus::Expired => Err(NotAnswerable::Expired),
            ChallengeStatus::Failed => Err(NotAnswerable::Failed),
        }
    }

    /// Whether one more answer may be counted: those that are being looked at elsewhere count as well.
    pub fn reservable(&self, now: Timestamp) -> Result<(), NotAnswerable> {
        self.answerable(now)?;
        if self.attempts >= self.strategy.max_attempts() { Err(NotAnswerable::Failed) } else { Ok(()) }
    }

    /// Whether anybody may ask for it who knows the address or number: it is sent to whoever has that, before it is known
    /// who asks. Its counter is one that strangers can fill.
    pub fn is_for_anybody(&self) -> bool {
        let is_sent =
            matches!(self.strategy, Strategy::EmailCode | Strategy::ResetPasswordEmailCode | Strategy::PhoneCode);
        is_sent && self.step != Step::Second && matches!(self.parent, Parent::SignIn(_) | Parent::SignUp(_))
    }

    /// Counts an answer before it is looked at, so that answers in parallel cannot pass the limit.
    pub fn count_attempt(&mut self, now: Timestamp) {
        self.attempts += 1;
        self.updated_at = now;
    }

    /// Takes an answer back that was counted and could not be looked at.
    pub fn uncount_attempt(&mut self, now: Timestamp) {
        self.attempts = self.attempts.saturating_sub(1);
        self.updated_at = now;
    }

    /// Takes a right answer that belongs to the other flow.
    pub fn transfer(&mut self, now: Timestamp) {
        self.status = ChallengeStatus::Transferable;
        self.error = None;
        self.updated_at = now;
    }

    /// Fails for good, whatever tries are left.
    pub fn fail(&mut self, why: Code, now: Timestamp) {
        self.status = ChallengeStatus::Failed;
        self.error = Some(why.name.to_owned());
        self.updated_at = now;
    }

    /// Takes a right answer.
    pub fn verify(&mut self, now: Timestamp) {
        self.status = ChallengeStatus::Verified;
        self.error = None;
        self.updated_at = now;
    }

    /// Takes a wrong answer, already counted; the last one fails the challenge. Says which code the caller reads.
    pub fn refuse(&mut self, wrong: Code, now: Timestamp) -> Code {
        self.updated_at = now;
        let code = if self.attempts >= self.strategy.max_attempts() {
            self.status = ChallengeStatus::Failed;
            // A ceremony has one try: its own error says more than that the tries are over.
            if self.strategy.max_attempts() == 1 { wrong } else { code::VERIFICATION_FAILED }
        } else {
            wrong
        };
        self.error = Some(code.name.to_owned());
        code
    }

    /// Takes back a proof that turned out to be of something that is over.
    pub fn void(&mut self, now: Timestamp) {
        self.status = ChallengeStatus::Expired;
        self.updated_at = now;
    }

    /// Gives way to a newer challenge.
    pub fn supersede(&mut self, now: Timestamp) {
        if self.status == ChallengeStatus::Pending {
            self.status = ChallengeStatus::Expired;
            self.updated_at = now;
        }
    }
}
