//! How a backend makes a person: its word counts as proof, and it passes sign-up's rules.

use super::UserError;
use crate::passwords::{self, PasswordError};
use crate::{Engine, idempotency, people, tenancy};
use crypto::Secret;
use crypto::password::ImportError;
use domain::code as codes;
use domain::settings::Settings;
use domain::text::{Metadata, Username, metadata_fits};
use domain::user::{PasswordDigest, Person, User};
use domain::{Context, Email, Kind, Phone, Problem, Timestamp};

/// A password, or the hash of one from elsewhere.
#[derive(Default)]
pub struct PasswordInput {
    /// The password.
    pub password: Option<Secret<String>>,
    /// A hash that another system made.
    pub digest: Option<String>,
    /// How it was made.
    pub hasher: Option<String>,
    /// Takes a common or breached password too.
    pub skip_checks: bool,
}

impl PasswordInput {
    /// What is wrong with the combination of parameters.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.password.is_some() && self.digest.is_some() {
            problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_VALUE_INVALID, "password_digest"));
        }
        if self.digest.is_some() && self.hasher.is_none() {
            problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_NIL, "password_hasher"));
        }
        if self.hasher.is_some() && self.digest.is_none() {
            problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_NIL, "password_digest"));
        }
        if let Some(password) = &self.password {
            let checked =
                if self.skip_checks { passwords::check_length(password) } else { passwords::accept(password) };
            if checked.is_err() {
                problems.push(Problem::of_param(Kind::Invalid, codes::PASSWORD_VALIDATION_FAILED, "password"));
            }
        }
        problems
    }

    /// Looks the password up among breached ones and hashes it, or takes the hash in.
    pub(super) async fn digest(
        self,
        engine: &Engine,
        settings: &Settings,
    ) -> Result<Option<PasswordDigest>, UserError> {
        match (self.password, self.digest, self.hasher) {
            (Some(password), _, _) => {
                if !self.skip_checks {
                    passwords::not_breached(engine, settings, &password).await?;
                }
                Ok(Some(passwords::hash(engine, password).await?))
            }
            (None, Some(digest), Some(hasher)) => {
                let stored = crypto::password::import(&hasher, &digest, engine.shared().passwords()).await;
                match stored {
                    Ok(stored) => Ok(Some(PasswordDigest::new(stored.as_str().to_owned()))),
                    Err(ImportError::UnknownHasher) => Err(UserError::Hasher),
                    Err(ImportError::Invalid) => Err(UserError::Digest),
                    Err(ImportError::Pool(error)) => Err(PasswordError::from(error).into()),
                }
            }
            _ => Ok(None),
        }
    }
}

/// A person to make.
#[derive(Default)]
pub struct NewUser {
    /// The caller's own id.
    pub external_id: Option<String>,
    /// The user name.
    pub username: Option<Username>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The addresses; all count as proven, the first is primary.
    pub email_addresses: Vec<Email>,
    /// The numbers; all count as proven, the first is primary.
    pub phone_numbers: Vec<Phone>,
    /// The password.
    pub password: PasswordInput,
    /// Makes a person without a password where one is required.
    pub skip_password_requirement: bool,
    /// Readable everywhere.
    pub public_metadata: Metadata,
    /// For backends only.
    pub private_metadata: Metadata,
    /// The person's own.
    pub unsafe_metadata: Metadata,
    /// The language of mails.
    pub locale: Option<String>,
    /// When the person was made elsewhere.
    pub created_at: Option<Timestamp>,
}

/// Makes a person.
pub async fn create(engine: &Engine, cx: &Context, new: NewUser) -> Result<Person, UserError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let mut problems = problems(&new, cx, tenant.env.settings.attribute_settings.password.required);
    let test_number = new.phone_numbers.iter().any(Phone::is_test);
    if people::test_mode(&tenant.env.settings, tenant.env.kind, test_number).is_err() {
        problems.push(Problem::of_param(Kind::Invalid, codes::TEST_IDENTIFIER_FORBIDDEN, "phone_number"));
    }
    if !problems.is_empty() {
        return Err(UserError::Fields(problems));
    }
    // Refused before the hash is paid for; the unique index has the last word.
    ensure_free(engine, cx, &tenant.env, &new).await?;
    let mut user = User::new(cx.id(), cx.now);
    user.created_at = new.created_at.unwrap_or(cx.now);
    user.external_id = new.external_id;
    user.username = new.username;
    user.first_name = new.first_name;
    user.last_name = new.last_name;
    user.locale = new.locale;
    user.public_metadata = new.public_metadata;
    user.private_metadata = new.private_metadata;
    user.unsafe_metadata = new.unsafe_metadata;
    user.password_digest = new.password.digest(engine, &tenant.env.settings).await?;
    let (emails, numbers) = (new.email_addresses, new.phone_numbers);
    engine
        .write(cx, async move |tx, cx| {
            let names =
                people::Names { emails: &emails, emails_verified: true, numbers: &numbers, numbers_verified: true };
            let person = people::insert(tx, cx, &tenant.env, user.clone(), names).await?;
            let body = api::User::for_bapi(&person, &tenant.env.settings, cx.now);
            idempotency::keep(tx, cx, 201, &body, Some(person.user.id.to_string())).await?;
            Ok(person)
        })
        .await
}

fn problems(new: &NewUser, cx: &Context, password_required: bool) -> Vec<Problem> {
    let mut problems = new.password.problems();
    let nameless = new.email_addresses.is_empty()
        && new.phone_numbers.is_empty()
        && new.username.is_none()
        && new.external_id.is_none();
    if nameless {
        problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_NIL, "email_address"));
    }
    let none = new.password.password.is_none() && new.password.digest.is_none();
    if none && password_required && !new.skip_password_requirement {
        problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_NIL, "password"));
    }
    if new.created_at.is_some_and(|at| at > cx.now) {
        problems.push(Problem::of_param(Kind::Invalid, codes::PARAM_VALUE_INVALID, "created_at"));
    }
    let buckets = [
        ("public_metadata", &new.public_metadata),
        ("private_metadata", &new.private_metadata),
        ("unsafe_metadata", &new.unsafe_metadata),
    ];
    for (name, bucket) in buckets {
        if !metadata_fits(bucket) {
            problems.push(Problem::of_param(Kind::Invalid, codes::METADATA_TOO_LARGE, name));
        }
    }
    problems
}

async fn ensure_free(
    engine: &Engine,
    cx: &Context,
    env: &domain::environment::Environment,
    new: &NewUser,
) -> Result<(), UserError> {
    let mut conn = engine.read().await?;
    let mut seen: Vec<String> = Vec::new();
    for email in &new.email_addresses {
        let canonical = env.settings.canonical(email);
        let claimed = storage::email_addresses::by_canonical(&mut conn, cx.env, &canonical).await?;
        if claimed.iter().any(|a| a.verified) || seen.contains(&canonical) {
            return Err(UserError::Taken("email_address"));
        }
        seen.push(canonical);
    }
    for (i, number) in new.phone_numbers.iter().enumerate() {
        let claimed = storage::phone_numbers::by_number(&mut conn, cx.env, number).await?;
        if claimed.iter().any(|n| n.verified) || new.phone_numbers.iter().take(i).any(|before| before == number) {
            return Err(UserError::Taken("phone_number"));
        }
    }
    if let Some(username) = &new.username
        && storage::users::by_username(&mut conn, cx.env, &username.key()).await?.is_some()
    {
        return Err(UserError::Taken("username"));
    }
    Ok(())
}
