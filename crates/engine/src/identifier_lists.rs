//! The allow list and the block list, as a backend keeps them. What they are good for is [`crate::restrictions`].

use crate::mail::{self, Invite, Letter, To};
use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, idempotency, people};
use crypto::Secret;
use domain::listed::{List, Listed, Pattern};
use domain::page::{Page, PageRequest};
use domain::{AllowlistIdentifierId, BlocklistIdentifierId, Context, Kind, Refusal, Verdict, code};
use storage::Tx;

/// Why a list is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The identifier is on the list already.
    #[error("the identifier is on the list already")]
    Taken,
    /// There is no such identifier on the allow list.
    #[error("there is no such identifier on the allow list")]
    NotAllowed,
    /// There is no such identifier on the block list.
    #[error("there is no such identifier on the block list")]
    NotBlocked,
    /// The database failed.
    #[error("the list cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(ListError);

impl From<StorageError> for ListError {
    fn from(error: StorageError) -> Self {
        if storage::listed_identifiers::is_taken(&error) { Self::Taken } else { Self::Storage(error) }
    }
}

impl Refusal for ListError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Taken => Kind::Taken.code(code::IDENTIFIER_EXISTS).param("identifier"),
            Self::NotAllowed => Kind::NotFound.code(code::ALLOWLIST_IDENTIFIER_NOT_FOUND),
            Self::NotBlocked => Kind::NotFound.code(code::BLOCKLIST_IDENTIFIER_NOT_FOUND),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// One page of the allow list.
pub async fn allowed(
    engine: &Engine,
    cx: &Context,
    request: PageRequest<()>,
) -> Result<Page<Listed<AllowlistIdentifierId>>, StorageError> {
    let total = count(engine, cx, List::Allow).await?;
    let page = storage::listed_identifiers::page(&mut *engine.read().await?, cx.env, List::Allow, &request).await?;
    Ok(Page { total, ..page })
}

/// One page of the block list.
pub async fn blocked(
    engine: &Engine,
    cx: &Context,
    request: PageRequest<()>,
) -> Result<Page<Listed<BlocklistIdentifierId>>, StorageError> {
    let total = count(engine, cx, List::Block).await?;
    let page = storage::listed_identifiers::page(&mut *engine.read().await?, cx.env, List::Block, &request).await?;
    Ok(Page { total, ..page })
}

async fn count(engine: &Engine, cx: &Context, list: List) -> Result<i64, StorageError> {
    let env = cx.env;
    engine.scan(async move |conn| storage::listed_identifiers::count(conn, env, list).await).await
}

/// Puts an identifier on the allow list; a single address hears of it when it is asked for.
pub async fn allow(
    engine: &Engine,
    cx: &Context,
    pattern: Pattern,
    notify: bool,
) -> Result<Listed<AllowlistIdentifierId>, ListError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let listed: Listed<AllowlistIdentifierId> =
                Listed { id: cx.id(), pattern: pattern.clone(), notify, created_at: cx.now, updated_at: cx.now };
            storage::listed_identifiers::insert(tx, cx.env, List::Allow, &listed).await?;
            if notify {
                invite(tx, cx, &tenant, &listed.pattern).await?;
            }
            let body = api::AllowlistIdentifier::from(&listed);
            idempotency::keep(tx, cx, 201, &body, Some(listed.id.to_string())).await?;
            Ok(listed)
        })
        .await
}

/// Tells an address that it may sign up. Nobody stands behind a pattern, and test addresses are written to by nobody.
async fn invite(tx: &mut Tx<'_>, cx: &Context, tenant: &Tenant, pattern: &Pattern) -> Result<(), StorageError> {
    let Pattern::Email(email) = pattern else { return Ok(()) };
    let env = &tenant.env;
    if !matches!(people::test_mode(&env.settings, env.kind, email.is_test()), Ok(false)) {
        return Ok(());
    }
    let letter = Letter::Invitation(Invite {
        action_url: Secret::new(env.sign_up_url()),
        inviter: None,
        organization: None,
        role: None,
        expires_at: None,
    });
    mail::enqueue(tx, cx, tenant, letter, To::Email(email)).await
}

/// Puts an identifier on the block list. Who has it already keeps it: that is what bans are for.
pub async fn block(
    engine: &Engine,
    cx: &Context,
    pattern: Pattern,
) -> Result<Listed<BlocklistIdentifierId>, ListError> {
    engine
        .write(cx, async move |tx, cx| {
            let listed: Listed<BlocklistIdentifierId> =
                Listed { id: cx.id(), pattern: pattern.clone(), notify: false, created_at: cx.now, updated_at: cx.now };
            storage::listed_identifiers::insert(tx, cx.env, List::Block, &listed).await?;
            let body = api::BlocklistIdentifier::from(&listed);
            idempotency::keep(tx, cx, 201, &body, Some(listed.id.to_string())).await?;
            Ok(listed)
        })
        .await
}

/// Takes an identifier off the allow list. Who signed up with it stays.
pub async fn disallow(engine: &Engine, cx: &Context, id: AllowlistIdentifierId) -> Result<(), ListError> {
    engine
        .write(cx, async move |tx, cx| {
            if !storage::listed_identifiers::delete(tx, cx.env, List::Allow, &id).await? {
                return Err(ListError::NotAllowed);
            }
            Ok(idempotency::forget(tx, cx, &id.to_string()).await?)
        })
        .await
}

/// Takes an identifier off the block list.
pub async fn unblock(engine: &Engine, cx: &Context, id: BlocklistIdentifierId) -> Result<(), ListError> {
    engine
        .write(cx, async move |tx, cx| {
            if !storage::listed_identifiers::delete(tx, cx.env, List::Block, &id).await? {
                return Err(ListError::NotBlocked);
            }
            Ok(idempotency::forget(tx, cx, &id.to_string()).await?)
        })
        .await
}
