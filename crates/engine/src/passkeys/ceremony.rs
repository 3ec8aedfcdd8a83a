//! The use of a passkey, alike at sign-in and at step-up: asked for, checked before the transaction, taken inside it.

use crate::challenges::Wrong;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError};
use domain::Context;
use domain::audit::Denial;
use domain::challenge::{Challenge, Parent, Step};
use domain::code::{self as codes, Code};
use domain::environment::{Environment, EnvironmentKind};
use domain::origin::OriginPattern;
use domain::strategy::Strategy;
use domain::user::{Passkey, Person};
use protocols::webauthn::{Asserted, Known, Refused, RelyingParty, UserVerification, peek};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::Tx;

/// What the server keeps of a ceremony, in its challenge.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ceremony {
    pub(crate) state: String,
    /// What a new passkey is to be called.
    pub(crate) nickname: Option<String>,
}

impl Ceremony {
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a ceremony is texts")
    }
}

/// The ceremony of a challenge.
pub(crate) fn of(challenge: &Challenge) -> Result<Ceremony, StorageError> {
    let state = challenge.state.as_deref().unwrap_or_default();
    serde_json::from_str(state).map_err(|_| tenancy::fault("a challenge holds no ceremony"))
}

/// For whom passkeys are made here; `None` where the address or the setting cannot have any.
pub(crate) fn relying_party(env: &Environment) -> Option<RelyingParty> {
    let own = env.own_origin()?;
    let id = env.settings.authentication_strategies.passkey.rp_id.as_deref().unwrap_or(own.host());
    let name = env.settings.application_name.as_deref().unwrap_or(&env.name);
    let development = env.kind == EnvironmentKind::Development;
    // As in the rule of origins: any port is for development.
    let allowed = env.settings.allowed_origins.iter().filter(|text| development || !text.ends_with(":*"));
    // In their one spelling. One that cannot be read is nobody's; the others still count.
    let allowed = allowed.filter_map(|text| OriginPattern::parse(text).ok()).map(|pattern| pattern.to_string());
    let origins: Vec<String> = std::iter::once(own.to_string()).chain(allowed).collect();
    match RelyingParty::new(id, name, &origins) {
        Ok(rp) => Some(rp),
        Err(unfit) => {
            tracing::warn!(environment.id = %env.id, "passkeys cannot be used here: {unfit}");
            None
        }
    }
}

/// Passkeys as a browser is told of them.
pub(crate) fn known(keys: &[Passkey]) -> Vec<Known<'_>> {
    keys.iter().map(|key| Known { credential_id: &key.credential_id, transports: &key.transports }).collect()
}

/// Issues a challenge for one of these passkeys, most recently used first; for any when there are none.
/// `None` where no passkey can be used.
pub(crate) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    (parent, step): (Parent, Step),
    mut keys: Vec<Passkey>,
    verification: UserVerification,
) -> Result<Option<Challenge>, StorageError> {
    let Some(rp) = relying_party(&tenant.env) else { return Ok(None) };
    keys.sort_by_key(|key| std::cmp::Reverse((key.last_used_at, key.created_at)));
    let begun = rp.begin_authentication(&known(&keys), verification);
    storage::challenges::supersede(tx, cx.env, &parent, cx.now).await?;
    let mut challenge = Challenge::issue(cx.id(), parent, Strategy::Passkey, step, cx.now);
    challenge.nonce = Some(begun.challenge);
    challenge.options = Some(begun.options);
    challenge.state = Some(Ceremony { state: begun.state, nickname: None }.to_text());
    storage::challenges::insert(tx, cx.env, &challenge).await?;
    Ok(Some(challenge))
}

/// An assertion that was believed, against the passkey as it was read.
pub(crate) struct Checked {
    /// The passkey, before its use.
    pub(crate) key: Passkey,
    assertion: Value,
    asserted: Asserted,
}

/// Looks at an assertion, with no transaction open.
pub(crate) async fn check(
    engine: &Engine,
    cx: &Context,
    tenant: &Tenant,
    challenge: &Challenge,
    assertion: Value,
) -> Result<Result<Checked, Code>, StorageError> {
    let peeked = match peek(&assertion) {
        Ok(peeked) => peeked,
        Err(refused) => return refused_as(refused).map(Err),
    };
    let (key, handle) = {
        let mut conn = engine.read().await?;
        let key = storage::passkeys::by_credential(&mut conn, cx.env, &peeked.credential_id).await?;
        let Some(key) = key.filter(|key| key.removed_at.is_none()) else {
            return Ok(Err(codes::PASSKEY_ASSERTION_INVALID));
        };
        let owner = storage::users::find(&mut conn, cx.env, key.user_id).await?;
        (key, owner.and_then(|owner| owner.passkey_handle))
    };
    let verdict = verify(tenant, challenge, &assertion, &key, handle)?;
    Ok(verdict.map(|asserted| Checked { key, assertion, asserted }))
}

fn verify(
    tenant: &Tenant,
    challenge: &Challenge,
    assertion: &Value,
    key: &Passkey,
    handle: Option<[u8; 16]>,
) -> Result<Result<Asserted, Code>, StorageError> {
    let (Some(rp), Some(handle)) = (relying_party(&tenant.env), handle) else {
        return Ok(Err(codes::PASSKEY_ASSERTION_INVALID));
    };
    match rp.finish_authentication(&of(challenge)?.state, assertion, &key.credential, handle) {
        Ok(asserted) => Ok(Ok(asserted)),
        Err(refused) => refused_as(refused).map(Err),
    }
}

fn refused_as(refused: Refused) -> Result<Code, StorageError> {
    match refused {
        Refused::OriginMismatch => Ok(codes::PASSKEY_ORIGIN_MISMATCH),
        Refused::UserHandleMismatch => Ok(codes::PASSKEY_USER_HANDLE_MISMATCH),
        Refused::Replayed => Ok(codes::PASSKEY_REPLAYED),
        Refused::Invalid => Ok(codes::PASSKEY_ASSERTION_INVALID),
        Refused::Damaged => Err(tenancy::fault("a stored passkey or its challenge cannot be read")),
    }
}

/// Takes a checked assertion for a challenge and a person whose rows are held: the counter moves on. Says whether
/// the person was verified, or why it is refused after all.
pub(crate) async fn take(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    challenge: &Challenge,
    person: &mut Person,
    checked: &Checked,
) -> Result<Result<bool, Code>, StorageError> {
    let handle = person.user.passkey_handle;
    // Removed while it was being looked at.
    let Some(key) = person.passkeys.iter_mut().find(|key| key.id == checked.key.id) else {
        return Ok(Err(codes::PASSKEY_ASSERTION_INVALID));
    };
    let asserted = if key.credential == checked.key.credential {
        checked.asserted.clone()
    } else {
        // Used elsewhere meanwhile: the counter has to be greater than that one.
        match verify(tenant, challenge, &checked.assertion, key, handle)? {
            Ok(asserted) => asserted,
            Err(code) => return Ok(Err(code)),
        }
    };
    key.credential = asserted.credential;
    key.last_used_at = Some(cx.now);
    key.updated_at = cx.now;
    storage::passkeys::save(tx, cx.env, key).await?;
    Ok(Ok(asserted.user_verified))
}

/// Counts a wrong answer on a challenge whose row is held: a ceremony has one try.
pub(crate) async fn refuse(
    tx: &mut Tx<'_>,
    cx: &Context,
    challenge: &mut Challenge,
    why: Code,
) -> Result<Wrong, StorageError> {
    if let Err(over) = challenge.reservable(cx.now) {
        return Ok(over.into());
    }
    challenge.count_attempt(cx.now);
    let denial = match challenge.parent {
        Parent::SignIn(_) => Denial::SignInFailed,
        Parent::Session(_) => Denial::StepUpFailed,
        _ => Denial::VerificationFailed,
    };
    cx.attempts.begin(denial, &format!("challenge:{}", challenge.id));
    let code = challenge.refuse(why, cx.now);
    storage::challenges::save(tx, cx.env, challenge).await?;
    Ok(Wrong::Answer(code))
}
