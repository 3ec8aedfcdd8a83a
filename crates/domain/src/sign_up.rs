//! A sign-up attempt: from what somebody says of themselves to a person and a session.

use crate::challenge::{Challenge, may_be_open};
use crate::code::{self, Code};
use crate::email::Email;
use crate::id::{ChallengeId, ClientId, InvitationId, SessionId, SignUpId, UserId};
use crate::phone::Phone;
use crate::settings::{AttributeSetting, Settings, SignUpMode};
use crate::strategy::Strategy;
use crate::text::{Metadata, Username};
use crate::time::{Timestamp, hours};
use crate::user::PasswordDigest;

/// Where a sign-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpStatus {
    /// Something is missing or not proven.
    MissingRequirements,
    /// A person and a session exist.
    Complete,
    /// The person exists already: sign in.
    Transferable,
    /// Too old, or replaced by another.
    Abandoned,
}

impl SignUpStatus {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingRequirements => "missing_requirements",
            Self::Complete => "complete",
            Self::Transferable => "transferable",
            Self::Abandoned => "abandoned",
        }
    }
    /// Reads the word of the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::MissingRequirements, Self::Complete, Self::Transferable, Self::Abandoned]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
    /// Whether nothing more can happen to it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::Abandoned)
    }
}

/// A sign-up attempt with what is staged.
#[derive(Debug, Clone, PartialEq)]
pub struct SignUp {
    /// Its id.
    pub id: SignUpId,
    /// The client it began on; no other may touch it.
    pub client_id: ClientId,
    /// Where it stands, as it was last written; see [`SignUp::status_at`].
    pub status: SignUpStatus,
    /// The address.
    pub email_address: Option<Email>,
    /// Whether the address was proven in this attempt.
    pub email_verified: bool,
    /// The phone number.
    pub phone_number: Option<Phone>,
    /// Whether the number was proven in this attempt.
    pub phone_verified: bool,
    /// When something was last proven.
    pub proven_at: Option<Timestamp>,
    /// Whether the terms were accepted.
    pub legal_accepted: bool,
    /// The user name.
    pub username: Option<Username>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The hash of the password.
    pub password_digest: Option<PasswordDigest>,
    /// The person's own data.
    pub unsafe_metadata: Metadata,
    /// The invitation that brought somebody here; the sign-up's end spends it.
    pub invitation_id: Option<InvitationId>,
    /// The challenge that is open.
    pub current_challenge_id: Option<ChallengeId>,
    /// What came of it.
    pub created_session_id: Option<SessionId>,
    /// Who came of it.
    pub created_user_id: Option<UserId>,
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
pub enum SignUpOver {
    /// Too old, or replaced.
    #[error("the sign-up was abandoned")]
    Abandoned,
    /// Done.
    #[error("the sign-up is complete")]
    Complete,
}

impl SignUpOver {
    /// The code the caller reads.
    pub const fn code(self) -> Code {
        match self {
            Self::Abandoned => code::SIGN_UP_ABANDONED,
            Self::Complete => code::SIGN_UP_ALREADY_COMPLETE,
        }
    }
}

/// The names of the attributes a sign-up may carry.
pub const FIELDS: [&str; 6] = ["email_address", "phone_number", "username", "first_name", "last_name", "password"];

fn setting<'s>(settings: &'s Settings, field: &str) -> &'s AttributeSetting {
    let all = &settings.attribute_settings;
    match field {
        "email_address" => &all.email_address,
        "phone_number" => &all.phone_number,
        "username" => &all.username,
        "first_name" => &all.first_name,
        "last_name" => &all.last_name,
        _ => &all.password,
    }
}

/// Whether an environment takes the attribute at sign-up.
pub fn is_enabled(settings: &Settings, field: &str) -> bool {
    setting(settings, field).enabled
}

/// The acceptance of the terms, where an environment asks for it.
pub const LEGAL: &str = "legal_accepted";

/// What must be supplied.
pub fn required_fields(settings: &Settings) -> Vec<&'static str> {
    let required = FIELDS.into_iter().filter(|f| setting(settings, f).enabled && setting(settings, f).required);
    required.chain(settings.require_legal_accepted.then_some(LEGAL)).collect()
}

/// Attributes that may be supplied.
pub fn optional_fields(settings: &Settings) -> Vec<&'static str> {
    FIELDS.into_iter().filter(|f| setting(settings, f).enabled && !setting(settings, f).required).collect()
}

impl SignUp {
    /// Begins an attempt.
    pub fn begin(id: SignUpId, client_id: ClientId, now: Timestamp) -> Self {
        Self {
            id,
            client_id,
            status: SignUpStatus::MissingRequirements,
            email_address: None,
            email_verified: false,
            phone_number: None,
            phone_verified: false,
            proven_at: None,
            legal_accepted: false,
            username: None,
            first_name: None,
            last_name: None,
            password_digest: None,
            unsafe_metadata: Metadata::new(),
            invitation_id: None,
            current_challenge_id: None,
            created_session_id: None,
            created_user_id: None,
            abandon_at: now + hours(24),
            was_test: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Where it stands at this time.
    pub fn status_at(&self, now: Timestamp) -> SignUpStatus {
        if !self.status.is_terminal() && now >= self.abandon_at { SignUpStatus::Abandoned } else { self.status }
    }

    /// Whether it may go on.
    pub fn open(&self, now: Timestamp) -> Result<(), SignUpOver> {
        match self.status_at(now) {
            SignUpStatus::Abandoned => Err(SignUpOver::Abandoned),
            SignUpStatus::Complete => Err(SignUpOver::Complete),
            SignUpStatus::MissingRequirements | SignUpStatus::Transferable => Ok(()),
        }
    }

    /// The challenge that is open at this time.
    pub fn current_challenge(&self, now: Timestamp) -> Option<ChallengeId> {
        self.current_challenge_id.filter(|id| may_be_open(*id, now))
    }

    /// Forgets a challenge that is over; says whether it was the current one.
    pub fn let_go(&mut self, challenge: &Challenge, now: Timestamp) -> bool {
        let over = challenge.answerable(now).is_err() && self.current_challenge_id == Some(challenge.id);
        if over {
            self.current_challenge_id = None;
        }
        over
    }

    fn has(&self, field: &str) -> bool {
        match field {
            LEGAL => self.legal_accepted,
            "email_address" => self.email_address.is_some(),
            "phone_number" => self.phone_number.is_some(),
            "username" => self.username.is_some(),
            "first_name" => self.first_name.is_some(),
            "last_name" => self.last_name.is_some(),
            "password" => self.password_digest.is_some(),
            _ => false,
        }
    }

    /// Required attributes that are not supplied.
    pub fn missing_fields(&self, settings: &Settings) -> Vec<&'static str> {
        required_fields(settings).into_iter().filter(|f| !self.has(f)).collect()
    }

    /// Supplied attributes that must still be proven. With enumeration protection an address always must, and so must
    /// one that was invited: an invitation is for whoever reads its mailbox. Where sign-up is restricted, what opens the
    /// door has to be one's own.
    pub fn unverified_fields(&self, settings: &Settings) -> Vec<&'static str> {
        let restricted = settings.sign_up_mode() == SignUpMode::Restricted;
        let must = settings.attribute_settings.email_address.verify_at_sign_up
            || settings.attack_protection.enumeration_protection
            || self.invitation_id.is_some()
            || restricted;
        let mut fields = Vec::new();
        if self.email_address.is_some() && !self.email_verified && must {
            fields.push("email_address");
        }
        let number_must = settings.attribute_settings.phone_number.verify_at_sign_up || restricted;
        if self.phone_number.is_some() && !self.phone_verified && number_must {
            fields.push("phone_number");
        }
        fields
    }

    /// The strategies that are possible now.
    pub fn supported_strategies(&self, now: Timestamp, settings: &Settings) -> Vec<Strategy> {
        if self.status_at(now) != SignUpStatus::MissingRequirements {
            return Vec::new();
        }
        let unverified = self.unverified_fields(settings);
        let mut strategies = Vec::new();
        if unverified.contains(&"email_address") {
            // An address must be provable, whatever an environment has switched off for sign-in.
            let by_link = settings.takes(&settings.attribute_settings.email_address, Strategy::EmailLink);
            let by_code = settings.takes(&settings.attribute_settings.email_address, Strategy::EmailCode);
            if by_code || !by_link {
                strategies.push(Strategy::EmailCode);
            }
            if by_link {
                strategies.push(Strategy::EmailLink);
            }
        }
        if unverified.contains(&"phone_number") {
            strategies.push(Strategy::PhoneCode);
        }
        strategies
    }

    /// Whether nothing is missing any more.
    pub fn is_ready(&self, settings: &Settings) -> bool {
        self.status == SignUpStatus::MissingRequirements
            && self.missing_fields(settings).is_empty()
            && self.unverified_fields(settings).is_empty()
            && (self.email_address.is_some() || self.phone_number.is_some() || self.username.is_some())
    }

    /// Whether the address was proven in another browser and nothing else is missing: the person is made when the
    /// client comes for it.
    pub fn waits_for_its_client(&self, now: Timestamp, settings: &Settings) -> bool {
        self.status_at(now) == SignUpStatus::MissingRequirements && self.email_verified && self.is_ready(settings)
    }

    /// Whether somebody vouches for whoever signs up with this address: none is the one that is staged.
    pub fn is_vouched_for(&self, email: Option<&Email>) -> bool {
        self.invitation_id.is_some() && email.is_none_or(|email| self.email_address.as_ref() == Some(email))
    }

    /// Stages another address; a proof of the old one is worth nothing for it, and neither is its invitation.
    pub fn stage_email(&mut self, email: Email) {
        if self.email_address.as_ref() != Some(&email) {
            self.email_verified = false;
            self.current_challenge_id = None;
            self.invitation_id = None;
        }
        self.email_address = Some(email);
    }

    /// Stages another number; a proof of the old one is worth nothing for it.
    pub fn stage_phone(&mut self, number: Phone) {
        if self.phone_number.as_ref() != Some(&number) {
            self.phone_verified = false;
            self.current_challenge_id = None;
        }
        self.phone_number = Some(number);
    }

    /// Ends the attempt with a person and a session.
    pub fn complete(&mut self, user: UserId, session: SessionId, now: Timestamp) {
        self.status = SignUpStatus::Complete;
        self.created_user_id = Some(user);
        self.created_session_id = Some(session);
        self.current_challenge_id = None;
        // What was staged is the person's now; a finished attempt keeps no hash.
        self.password_digest = None;
        self.updated_at = now;
    }

    /// Gives way to another attempt.
    pub fn abandon(&mut self, now: Timestamp) {
        if !self.status.is_terminal() {
            self.status = SignUpStatus::Abandoned;
            self.current_challenge_id = None;
            self.password_digest = None;
            self.updated_at = now;
        }
    }
}
