//! A person.

use crate::email_address::EmailAddress;
use crate::open::{Metadata, OpenObject};
use crate::passkey::Passkey;
use crate::phone_number::PhoneNumber;
use crate::words::{self, words};
use domain::settings::Settings;
use domain::user::Person;
use domain::{EmailAddressId, PhoneNumberId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a person.
    UserTag ["user"];
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The type tag.
    #[schema(schema_with = words::one::<UserTag>)]
    pub object: UserTag,
    /// The backend's own id for the person.
    #[schema(max_length = 255)]
    pub external_id: Option<String>,
    /// The user name.
    #[schema(min_length = 4, max_length = 64)]
    pub username: Option<String>,
    /// The given name.
    #[schema(max_length = 256)]
    pub first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 256)]
    pub last_name: Option<String>,
    /// Where the picture is.
    #[schema(format = "uri")]
    pub image_url: Option<String>,
    /// Whether there is a picture.
    pub has_image: bool,
    /// The address that mails go to.
    pub primary_email_address_id: Option<EmailAddressId>,
    /// The number that messages go to.
    pub primary_phone_number_id: Option<PhoneNumberId>,
    /// The e-mail addresses, oldest first.
    pub email_addresses: Vec<EmailAddress>,
    /// The phone numbers, oldest first.
    pub phone_numbers: Vec<PhoneNumber>,
    /// The linked social accounts.
    pub external_accounts: Vec<OpenObject>,
    /// The linked enterprise accounts.
    pub enterprise_accounts: Vec<OpenObject>,
    /// The passkeys, newest first.
    pub passkeys: Vec<Passkey>,
    /// How many passkeys there are.
    #[schema(minimum = 0)]
    pub passkey_count: u32,
    /// Whether there is a password.
    pub password_enabled: bool,
    /// Whether any second factor is enrolled.
    pub two_factor_enabled: bool,
    /// Whether an authenticator app is enrolled.
    pub totp_enabled: bool,
    /// Whether backup codes are left.
    pub backup_code_enabled: bool,
    /// When the first second factor was enrolled.
    pub mfa_enabled_at: Option<Timestamp>,
    /// When the last second factor was taken away.
    pub mfa_disabled_at: Option<Timestamp>,
    /// Refused for good.
    pub banned: bool,
    /// Refused for a time.
    pub locked: bool,
    /// When the lock ends by itself; null when it does not, or there is none.
    pub lockout_expires_at: Option<Timestamp>,
    /// When a sign-in last completed.
    pub last_sign_in_at: Option<Timestamp>,
    /// When the person was last active.
    pub last_active_at: Option<Timestamp>,
    /// Whether the person may delete the account.
    pub delete_self_enabled: bool,
    /// The language of mails.
    pub locale: Option<String>,
    /// Readable everywhere, written by backends.
    pub public_metadata: Metadata,
    /// For backends; always empty on the browser-facing API.
    pub private_metadata: Metadata,
    /// The person's own; not to be trusted.
    pub unsafe_metadata: Metadata,
    /// When the person was made.
    pub created_at: Timestamp,
    /// When the person was last changed.
    pub updated_at: Timestamp,
}

/// Where a person's picture is shown.
pub fn image_url(user: &domain::user::User, settings: &Settings) -> Option<String> {
    user.image_key.as_ref().map(|name| format!("{}/v1/images/{name}", settings.issuer))
}

impl User {
    /// The person as the person may see it: without the backend's private metadata.
    pub fn for_fapi(person: &Person, settings: &Settings, now: Timestamp) -> Self {
        Self { private_metadata: Metadata::default(), ..Self::for_bapi(person, settings, now) }
    }

    /// The person as a backend sees it.
    pub fn for_bapi(person: &Person, settings: &Settings, now: Timestamp) -> Self {
        let user = &person.user;
        let lock = user.live_lock(now);
        let factors = person.factor_summary();
        Self {
            id: user.id,
            object: UserTag("user"),
            external_id: user.external_id.clone(),
            username: user.username.as_ref().map(|name| name.as_str().to_owned()),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            image_url: image_url(user, settings),
            has_image: user.image_key.is_some(),
            primary_email_address_id: user.primary_email_address_id,
            primary_phone_number_id: user.primary_phone_number_id,
            email_addresses: person.email_addresses.iter().map(EmailAddress::from).collect(),
            phone_numbers: PhoneNumber::all(person),
            external_accounts: Vec::new(),
            enterprise_accounts: Vec::new(),
            passkeys: person.passkeys.iter().map(Passkey::from).collect(),
            passkey_count: u32::try_from(person.passkeys.len()).unwrap_or(u32::MAX),
            password_enabled: user.password_digest.is_some(),
            two_factor_enabled: factors.two_factor(),
            totp_enabled: factors.totp,
            backup_code_enabled: factors.backup_code,
            mfa_enabled_at: user.mfa_enabled_at,
            mfa_disabled_at: user.mfa_disabled_at,
            banned: user.banned,
            locked: lock.is_some(),
            lockout_expires_at: lock.and_then(|l| l.until),
            last_sign_in_at: user.last_sign_in_at,
            last_active_at: user.last_active_at,
            delete_self_enabled: settings.delete_self_enabled && user.delete_self_enabled,
            locale: user.locale.clone(),
            public_metadata: user.public_metadata.clone().into(),
            private_metadata: user.private_metadata.clone().into(),
            unsafe_metadata: user.unsafe_metadata.clone().into(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
