//! A person, and what may be done to one.

mod factors;
mod numbers;
mod second;

pub use factors::{FactorSummary, PASSKEYS_MAX, Passkey, PhoneNumber, SecondFactors};
pub use numbers::{IDENTIFIERS_MAX, NumberChange, NumberRefused};
pub use second::{ENROLMENT_LIFETIME, TotpSecret, backup_code, totp_code};

use crate::email::Email;
use crate::id::{ChallengeId, EmailAddressId, PhoneNumberId, UserId};
use crate::settings::Settings;
use crate::strategy::Strategy;
use crate::text::{Metadata, Username};
use crate::time::Timestamp;
use std::time::Duration;

/// A person shut out for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Until when; `None` is until somebody unlocks.
    pub until: Option<Timestamp>,
    /// Who locked.
    pub by: LockedBy,
}

/// Who locked a person, which decides what the lock shuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockedBy {
    /// Too many failures: shuts new sign-ins by that factor, ends nothing.
    Failures,
    /// The operator's backend: ends sessions, shuts everything.
    Operator,
}

impl LockedBy {
    /// The word of the tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Operator => "operator",
        }
    }
    /// Reads the word of the tables.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Failures, Self::Operator].into_iter().find(|b| b.as_str() == text)
    }
}

/// A person, without the addresses.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The caller's own id for the person.
    pub external_id: Option<String>,
    /// The user name.
    pub username: Option<Username>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The stored password hash; never leaves the process.
    pub password_digest: Option<PasswordDigest>,
    /// The address that mails go to.
    pub primary_email_address_id: Option<EmailAddressId>,
    /// The number that messages go to.
    pub primary_phone_number_id: Option<PhoneNumberId>,
    /// The name of the stored picture.
    pub image_key: Option<String>,
    /// The person's handle at authenticators (WebAuthn `user.id`): random, made with the first passkey.
    pub passkey_handle: Option<[u8; 16]>,
    /// Whether the person may delete the account, where the environment allows it.
    pub delete_self_enabled: bool,
    /// Which factors are enrolled, as last written.
    pub factors: FactorSummary,
    /// When a second factor was first enrolled.
    pub mfa_enabled_at: Option<Timestamp>,
    /// When the last second factor was last taken away.
    pub mfa_disabled_at: Option<Timestamp>,
    /// Refused for good.
    pub banned: bool,
    /// Refused for a time.
    pub lock: Option<Lock>,
    /// When a sign-in last completed.
    pub last_sign_in_at: Option<Timestamp>,
    /// When the person was last active.
    pub last_active_at: Option<Timestamp>,
    /// The language of mails.
    pub locale: Option<String>,
    /// Readable everywhere, written by backends.
    pub public_metadata: Metadata,
    /// For backends only.
    pub private_metadata: Metadata,
    /// The person's own.
    pub unsafe_metadata: Metadata,
    /// From when on a device counts as the person's own: what they signed in on before is new again.
    pub devices_since: Option<Timestamp>,
    /// When the person was made.
    pub created_at: Timestamp,
    /// When the person was last changed.
    pub updated_at: Timestamp,
}

/// A stored password hash, hidden from debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordDigest(String);

impl PasswordDigest {
    /// A digest as it is stored.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// The stored text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordDigest(..)")
    }
}

impl User {
    /// A new person with nothing known.
    pub fn new(id: UserId, now: Timestamp) -> Self {
        Self {
            id,
            external_id: None,
            username: None,
            first_name: None,
            last_name: None,
            password_digest: None,
            primary_email_address_id: None,
            primary_phone_number_id: None,
            image_key: None,
            passkey_handle: None,
            delete_self_enabled: true,
            factors: FactorSummary::default(),
            mfa_enabled_at: None,
            mfa_disabled_at: None,
            banned: false,
            lock: None,
            last_sign_in_at: None,
            last_active_at: None,
            locale: None,
            public_metadata: Metadata::new(),
            private_metadata: Metadata::new(),
            unsafe_metadata: Metadata::new(),
            devices_since: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The lock, unless its time is over.
    pub fn live_lock(&self, now: Timestamp) -> Option<Lock> {
        self.lock.filter(|lock| lock.until.is_none_or(|until| now < until))
    }

    /// The lock of an operator, unless its time is over: the kind that shuts sessions too.
    pub fn operator_lock(&self, now: Timestamp) -> Option<Lock> {
        self.live_lock(now).filter(|lock| lock.by == LockedBy::Operator)
    }

    /// Refuses the person for good; `false` when it was so already.
    pub fn ban(&mut self) -> bool {
        !std::mem::replace(&mut self.banned, true)
    }

    /// Takes a ban back; `false` when there was none.
    pub fn unban(&mut self) -> bool {
        std::mem::replace(&mut self.banned, false)
    }

    /// Locks on an operator's word; `None` locks until somebody unlocks.
    pub fn lock_by_operator(&mut self, now: Timestamp, length: Option<Duration>) {
        self.lock = Some(Lock { until: length.map(|l| now + l), by: LockedBy::Operator });
    }
}

/// An e-mail address of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress {
    /// Its id.
    pub id: EmailAddressId,
    /// Whose it is.
    pub user_id: UserId,
    /// The address.
    pub email: Email,
    /// The form it is compared by.
    pub canonical: String,
    /// Whether its ownership was proven.
    pub verified: bool,
    /// The challenge that would prove it.
    pub current_challenge_id: Option<ChallengeId>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A person with everything that is shown of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// The person.
    pub user: User,
    /// The addresses, oldest first.
    pub email_addresses: Vec<EmailAddress>,
    /// The phone numbers, oldest first.
    pub phone_numbers: Vec<PhoneNumber>,
    /// The passkeys that were not removed, newest first.
    pub passkeys: Vec<Passkey>,
    /// The second factors that are no phone number.
    pub second: SecondFactors,
}

impl Person {
    /// A person with nothing but a row.
    pub fn bare(user: User) -> Self {
        Self {
            user,
            email_addresses: Vec::new(),
            phone_numbers: Vec::new(),
            passkeys: Vec::new(),
            second: SecondFactors::default(),
        }
    }

    /// By what the person can show that a new device is their own: mailboxes and numbers that they have proven.
    pub fn trust_proofs(&self, settings: &Settings) -> Vec<Strategy> {
        let has_mailbox = self.email_addresses.iter().any(|a| a.verified);
        let has_number = self.phone_numbers.iter().any(|n| n.verified);
        let mut all = settings.trust_proofs();
        all.retain(|strategy| if strategy.is_texted() { has_number } else { has_mailbox });
        all
    }

    /// The primary address.
    pub fn primary_email(&self) -> Option<&EmailAddress> {
        let id = self.user.primary_email_address_id?;
        self.email_addresses.iter().find(|e| e.id == id)
    }

    /// How many ways there are to be found at sign-in.
    pub fn identifiers(&self) -> usize {
        self.email_addresses.len()
            + self.phone_numbers.len()
            + usize::from(self.user.username.is_some())
            + usize::from(self.user.external_id.is_some())
    }

    /// What a substring search looks through, in lower case.
    pub fn search_text(&self) -> String {
        let user = &self.user;
        let mut text = String::new();
        let names =
            [user.username.as_ref().map(Username::as_str), user.first_name.as_deref(), user.last_name.as_deref()];
        let addresses = self.email_addresses.iter().map(|e| e.email.as_str());
        let numbers = self.phone_numbers.iter().map(|p| p.number.as_str());
        for part in addresses.chain(numbers).chain(names.into_iter().flatten()) {
            text.push_str(&part.to_lowercase());
            // A separator no search text can hold, so that a match never spans two fields.
            text.push('\n');
        }
        text
    }
}
