//! Minting by a template. Who may is read each time; the template and its key are in memory.

use super::claims::{Shape, TokenClaims, rendered};
use super::kept::{self, Kept};
use super::values::{self, ActingSession, Wants};
use super::{TemplateError, check};
use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::tokens::MintError;
use crate::{Engine, StorageError, signing};
use domain::environment::Environment;
use domain::jwt_template::{TOKEN_MAX, TOKEN_TYPE, TemplateName};
use domain::user::User;
use domain::{Context, Kind, Refusal, Timestamp, UserId, Verdict, code};
use keys::Jwks;
use serde_json::Value;
use std::sync::Arc;

/// Whom a token is about.
pub(crate) struct About {
    pub(crate) user: UserId,
    /// The person's row, if it was read already.
    pub(crate) known: Option<User>,
    /// By which session; none when a backend asks for somebody who need not be signed in.
    pub(crate) session: Option<ActingSession>,
}

/// Mints a token by the template of this name; none when there is no such template.
pub(crate) async fn by_name(
    engine: &Engine,
    cx: &Context,
    name: &str,
    about: About,
) -> Result<Option<String>, MintError> {
    let tenant = tenancy::trusted(engine, cx.env).await?;
    let Some(kept) = kept::by_name(engine, &tenant, name).await? else { return Ok(None) };
    let wanted = (about.user, Wants::of(&kept.claims));
    let person = values::person(engine, &tenant.env, about.known, wanted).await?.ok_or(MintError::Over)?;
    let values = values::all(person, about.session.as_ref(), &tenant.env, cx.now);
    let token = TokenClaims::of(&tenant.env, &kept.template, values, cx.now);
    let too_large = |problem| MintError::TooLarge(Box::new(problem));
    let claims = rendered(&kept.claims, &token).map_err(|error| too_large(check::problem(&error)))?;
    let payload = serde_json::to_vec(&claims).map_err(storage::fault_from)?;
    let size = Shape::of(&kept.template).of_payload(payload.len());
    if size > TOKEN_MAX {
        return Err(too_large(check::of_size(size)));
    }
    let token = sign(engine, cx, &tenant, &kept, &payload).await?;
    kept.note(engine, &tenant, cx.now);
    Ok(Some(token))
}

async fn sign(
    engine: &Engine,
    cx: &Context,
    tenant: &Arc<Tenant>,
    kept: &Kept,
    payload: &[u8],
) -> Result<String, MintError> {
    if let Some(signer) = &kept.signer {
        return Ok(signer.sign_bytes(TOKEN_TYPE, payload)?);
    }
    let algorithm = kept.template.environment_algorithm();
    let algorithm = algorithm.ok_or_else(|| tenancy::fault("a JWT template has nothing that signs"))?;
    let made;
    let mut signer = tenant.keys.signer(algorithm);
    if signer.is_none() {
        made = Box::pin(signing::ensure(engine, cx, algorithm)).await?;
        signer = made.keys.signer(algorithm);
    }
    let signer = signer.ok_or_else(|| tenancy::fault("a key was made, and none signs"))?;
    Ok(signer.sign_bytes(Some(TOKEN_TYPE), payload)?)
}

/// Why a backend gets no token of a person.
#[derive(Debug, thiserror::Error)]
pub enum UserMintError {
    /// The person is gone.
    #[error("there is no such user")]
    NoUser,
    /// The person is banned.
    #[error("the user is banned")]
    Banned,
    /// The person is locked by an operator.
    #[error("the user is locked")]
    Locked {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The person belongs to no such organization.
    #[error("there is no such organization")]
    NoOrganization,
    /// The token cannot be minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The database failed.
    #[error("the user cannot be looked up")]
    Storage(#[from] StorageError),
}
stored!(UserMintError);

impl Refusal for UserMintError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NoUser => Kind::NotFound.code(code::USER_NOT_FOUND),
            Self::Banned => Kind::Invalid.code(code::USER_BANNED),
            Self::Locked { until } => {
                Kind::Invalid.code(code::USER_LOCKED).with("lockout_expires_at", until.map(Timestamp::millis))
            }
            Self::NoOrganization => Kind::NotFound.code(code::ORGANIZATION_NOT_FOUND),
            Self::Mint(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Mints a token of a person who need not be signed in.
pub async fn mint_for_user(
    engine: &Engine,
    cx: &Context,
    user: UserId,
    name: &TemplateName,
    organization: Option<String>,
) -> Result<String, UserMintError> {
    let person = storage::users::find(&mut *engine.read().await?, cx.env, user).await?.ok_or(UserMintError::NoUser)?;
    if person.banned {
        return Err(UserMintError::Banned);
    }
    if let Some(lock) = person.operator_lock(cx.now) {
        return Err(UserMintError::Locked { until: lock.until });
    }
    if organization.is_some() {
        // Nobody is a member of anything before organizations exist.
        return Err(UserMintError::NoOrganization);
    }
    let about = About { user, known: Some(person), session: None };
    Ok(by_name(engine, cx, name.as_str(), about).await?.ok_or(MintError::NoTemplate)?)
}

/// The public half of a template's own key; a shared secret has none.
pub async fn jwks(engine: &Engine, env: &Environment, name: &TemplateName) -> Result<Jwks, TemplateError> {
    let tenant = tenancy::tenant(engine, env.id).await?;
    let kept = kept::by_name(engine, &tenant, name.as_str()).await?.ok_or(TemplateError::NotFound)?;
    let jwk = api::Jwk::of_template(&kept.template).ok_or(TemplateError::NotFound)?;
    let jwk: Value = serde_json::to_value(jwk).map_err(storage::fault_from)?;
    Ok(Jwks::of(vec![jwk]))
}
