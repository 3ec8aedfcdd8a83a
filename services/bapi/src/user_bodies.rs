//! The bodies of requests about people.

use crypto::Secret;
use domain::text::{Metadata, Username, label, locale};
use domain::{Email, Patch, Phone, Timestamp, code};
use engine::phone_numbers;
use engine::users::{MetadataChange, NewUser, PasswordInput, UserChange};
use utoipa::ToSchema;
use web::form::read;
use web::{Form, FromForm};

fn external_id(text: &str) -> Result<String, domain::text::BadText> {
    label(text, 255)
}

fn name(text: &str) -> Result<String, domain::text::BadText> {
    label(text, 256)
}

/// A person to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserCreateRequest {
    /// The caller's own id for the person.
    #[schema(max_length = 255)]
    external_id: Option<String>,
    /// The user name.
    #[schema(value_type = Option<String>, min_length = 4, max_length = 64)]
    username: Option<Username>,
    /// The given name.
    #[schema(max_length = 256)]
    first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 256)]
    last_name: Option<String>,
    /// The addresses; all count as proven, the first is primary. `email_addresses` means the same.
    #[schema(value_type = Option<Vec<String>>)]
    email_address: Vec<Email>,
    /// The phone numbers with their country codes, in any spelling; all count as proven, the first is primary.
    #[schema(value_type = Option<Vec<String>>)]
    phone_number: Vec<Phone>,
    /// The password.
    #[schema(value_type = Option<String>, min_length = 8, max_length = 1024)]
    password: Option<Secret<String>>,
    /// A hash that another system made.
    password_digest: Option<String>,
    /// How the hash was made: bcrypt, scrypt, argon2id, pbkdf2_sha256, md5 or sha256.
    password_hasher: Option<String>,
    /// Takes a common password too.
    #[schema(value_type = Option<bool>, default = false)]
    skip_password_checks: bool,
    /// Makes the person without a password where one is required.
    #[schema(value_type = Option<bool>, default = false)]
    skip_password_requirement: bool,
    /// Readable everywhere.
    #[schema(value_type = Option<api::Metadata>)]
    public_metadata: Metadata,
    /// For backends only.
    #[schema(value_type = Option<api::Metadata>)]
    private_metadata: Metadata,
    /// The person's own.
    #[schema(value_type = Option<api::Metadata>)]
    unsafe_metadata: Metadata,
    /// The language of mails, as a BCP 47 tag.
    locale: Option<String>,
    /// When the person was made elsewhere; not in the future.
    #[schema(value_type = Option<i64>)]
    created_at: Option<Timestamp>,
}

impl FromForm for UserCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let external_id = form.parse("external_id", external_id).optional();
        let username = form.parse("username", Username::parse).optional();
        let first_name = form.parse("first_name", name).optional();
        let last_name = form.parse("last_name", name).optional();
        if form.has("email_address") && form.has("email_addresses") {
            form.wrong("email_addresses", code::PARAM_VALUE_INVALID);
        }
        let emails = if form.has("email_addresses") { "email_addresses" } else { "email_address" };
        let email_address = form.list(emails, 50, read::parsed(Email::parse)).optional().unwrap_or_default();
        let phone_number =
            form.list("phone_number", 50, read::parsed(phone_numbers::read)).optional().unwrap_or_default();
        let password = form.secret("password").optional();
        let password_digest = form.text("password_digest", 4096).optional();
        let password_hasher = form.text("password_hasher", 64).optional();
        let skip_password_checks = form.boolean("skip_password_checks").or(false);
        let skip_password_requirement = form.boolean("skip_password_requirement").or(false);
        let public_metadata = form.metadata("public_metadata").optional().unwrap_or_default();
        let private_metadata = form.metadata("private_metadata").optional().unwrap_or_default();
        let unsafe_metadata = form.metadata("unsafe_metadata").optional().unwrap_or_default();
        let locale = form.parse("locale", locale).optional();
        let created_at = form.timestamp("created_at").optional();
        Some(Self {
            external_id,
            username,
            first_name,
            last_name,
            email_address,
            phone_number,
            password,
            password_digest,
            password_hasher,
            skip_password_checks,
            skip_password_requirement,
            public_metadata,
            private_metadata,
            unsafe_metadata,
            locale,
            created_at,
        })
    }
}

impl From<UserCreateRequest> for NewUser {
    fn from(body: UserCreateRequest) -> Self {
        Self {
            external_id: body.external_id,
            username: body.username,
            first_name: body.first_name,
            last_name: body.last_name,
            email_addresses: body.email_address,
            phone_numbers: body.phone_number,
            password: PasswordInput {
                password: body.password,
                digest: body.password_digest,
                hasher: body.password_hasher,
                skip_checks: body.skip_password_checks,
            },
            skip_password_requirement: body.skip_password_requirement,
            public_metadata: body.public_metadata,
            private_metadata: body.private_metadata,
            unsafe_metadata: body.unsafe_metadata,
            locale: body.locale,
            created_at: body.created_at,
        }
    }
}

/// A change of a person; absent stays, null clears.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserUpdateRequest {
    /// The caller's own id for the person.
    #[schema(value_type = Option<String>, max_length = 255)]
    external_id: Patch<String>,
    /// The user name.
    #[schema(value_type = Option<String>, min_length = 4, max_length = 64)]
    username: Patch<Username>,
    /// The given name.
    #[schema(value_type = Option<String>, max_length = 256)]
    first_name: Patch<String>,
    /// The family name.
    #[schema(value_type = Option<String>, max_length = 256)]
    last_name: Patch<String>,
    /// The primary address: one of the person's, proven.
    #[schema(value_type = Option<String>)]
    primary_email_address_id: Patch<String>,
    /// The primary number: one of the person's, proven.
    #[schema(value_type = Option<String>)]
    primary_phone_number_id: Patch<String>,
    /// A new password.
    #[schema(value_type = Option<String>, min_length = 8, max_length = 1024)]
    password: Option<Secret<String>>,
    /// A hash that another system made.
    password_digest: Option<String>,
    /// How the hash was made.
    password_hasher: Option<String>,
    /// Takes a common password too.
    #[schema(value_type = Option<bool>, default = false)]
    skip_password_checks: bool,
    /// Ends every session of the person.
    #[schema(value_type = Option<bool>, default = false)]
    sign_out_of_other_sessions: bool,
    /// Replaced whole.
    #[schema(value_type = Option<api::Metadata>)]
    public_metadata: Option<Metadata>,
    /// Replaced whole.
    #[schema(value_type = Option<api::Metadata>)]
    private_metadata: Option<Metadata>,
    /// Replaced whole.
    #[schema(value_type = Option<api::Metadata>)]
    unsafe_metadata: Option<Metadata>,
    /// The language of mails, as a BCP 47 tag.
    #[schema(value_type = Option<String>)]
    locale: Patch<String>,
}

impl FromForm for UserUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let external_id = form.parse("external_id", external_id).patch();
        let username = form.parse("username", Username::parse).patch();
        let first_name = form.parse("first_name", name).patch();
        let last_name = form.parse("last_name", name).patch();
        let primary_email_address_id = form.text("primary_email_address_id", 64).patch();
        let primary_phone_number_id = form.text("primary_phone_number_id", 64).patch();
        let password = form.secret("password").optional();
        let password_digest = form.text("password_digest", 4096).optional();
        let password_hasher = form.text("password_hasher", 64).optional();
        let skip_password_checks = form.boolean("skip_password_checks").or(false);
        let sign_out_of_other_sessions = form.boolean("sign_out_of_other_sessions").or(false);
        let public_metadata = form.metadata("public_metadata").optional();
        let private_metadata = form.metadata("private_metadata").optional();
        let unsafe_metadata = form.metadata("unsafe_metadata").optional();
        let locale = form.parse("locale", locale).patch();
        Some(Self {
            external_id,
            username,
            first_name,
            last_name,
            primary_email_address_id,
            primary_phone_number_id,
            password,
            password_digest,
            password_hasher,
            skip_password_checks,
            sign_out_of_other_sessions,
            public_metadata,
            private_metadata,
            unsafe_metadata,
            locale,
        })
    }
}

impl From<UserUpdateRequest> for UserChange {
    fn from(body: UserUpdateRequest) -> Self {
        Self {
            external_id: body.external_id,
            username: body.username,
            first_name: body.first_name,
            last_name: body.last_name,
            primary_email_address_id: body.primary_email_address_id,
            primary_phone_number_id: body.primary_phone_number_id,
            password: PasswordInput {
                password: body.password,
                digest: body.password_digest,
                hasher: body.password_hasher,
                skip_checks: body.skip_password_checks,
            },
            sign_out_of_other_sessions: body.sign_out_of_other_sessions,
            public_metadata: body.public_metadata,
            private_metadata: body.private_metadata,
            unsafe_metadata: body.unsafe_metadata,
            locale: body.locale,
        }
    }
}

/// Keys to merge: a value overwrites, null removes, absent buckets stay.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetadataRequest {
    /// Readable everywhere.
    #[schema(value_type = Option<api::Metadata>)]
    public_metadata: Option<Metadata>,
    /// For backends only.
    #[schema(value_type = Option<api::Metadata>)]
    private_metadata: Option<Metadata>,
    /// The person's own.
    #[schema(value_type = Option<api::Metadata>)]
    unsafe_metadata: Option<Metadata>,
}

impl FromForm for MetadataRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let public_metadata = form.metadata("public_metadata").optional();
        let private_metadata = form.metadata("private_metadata").optional();
        let unsafe_metadata = form.metadata("unsafe_metadata").optional();
        Some(Self { public_metadata, private_metadata, unsafe_metadata })
    }
}

impl From<MetadataRequest> for MetadataChange {
    fn from(body: MetadataRequest) -> Self {
        Self { public: body.public_metadata, private: body.private_metadata, unsafe_: body.unsafe_metadata }
    }
}

/// How long a lock is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockRequest {
    /// Minutes; 0 until somebody unlocks, absent for the environment's own length.
    #[schema(value_type = Option<u32>, maximum = 525_600)]
    pub(crate) lockout_minutes: Option<u32>,
}

impl FromForm for LockRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let minutes = form.integer("lockout_minutes", 0..=525_600).optional();
        Some(Self { lockout_minutes: minutes.and_then(|m| u32::try_from(m).ok()) })
    }
}

/// A password to check.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyPasswordRequest {
    /// The password.
    #[schema(value_type = String)]
    pub(crate) password: Secret<String>,
}

impl FromForm for VerifyPasswordRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let password = form.secret("password").required();
        Some(Self { password: password? })
    }
}

/// A code to check.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyTotpRequest {
    /// The code: six digits, with or without spaces.
    #[schema(min_length = 6, max_length = 8)]
    pub(crate) code: String,
}

impl FromForm for VerifyTotpRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let code = form.parse("code", |text| domain::user::totp_code(text).ok_or(())).required();
        Some(Self { code: code? })
    }
}
