//! Where browsers and apps may be sent back to: an allowed origin, or an entry of the environment's list. Everything
//! that redirects asks [`check`], and nothing else decides it.

use crate::refusals::stored;
use crate::{Engine, StorageError, idempotency, tenancy};
use domain::environment::Environment;
use domain::page::{Page, PageRequest};
use domain::redirect::{self, NotARedirect, RedirectUrl, Target};
use domain::{Context, Kind, RedirectUrlId, Refusal, Verdict, code};
use storage::Conn;

/// Why the list is not changed.
#[derive(Debug, thiserror::Error)]
pub enum RedirectError {
    /// There is no such address on it.
    #[error("there is no such redirect URL")]
    NotFound,
    /// The address is on it already.
    #[error("the redirect URL is on the list already")]
    Taken,
    /// The text cannot be put on it.
    #[error(transparent)]
    Url(#[from] NotARedirect),
    /// The database failed.
    #[error("the redirect URLs cannot be read or changed")]
    Storage(#[source] StorageError),
}
stored!(RedirectError);

impl From<StorageError> for RedirectError {
    fn from(error: StorageError) -> Self {
        if storage::redirect_urls::is_taken(&error) { Self::Taken } else { Self::Storage(error) }
    }
}

impl Refusal for RedirectError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::REDIRECT_URL_NOT_FOUND),
            Self::Taken => Kind::Taken.code(code::IDENTIFIER_EXISTS).param("url"),
            Self::Url(NotARedirect::Format) => Kind::Invalid.code(code::PARAM_FORMAT_INVALID).param("url"),
            Self::Url(NotARedirect::Insecure) => Kind::Invalid.code(code::REDIRECT_URI_INSECURE).param("url"),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// The address that somebody may be sent back to, in the form that it is parsed to; `None` when it is on no allowed
/// origin, under no entry of the list, or no address that every parser reads alike. What was let through once is asked
/// for again before it is used: the list may have changed.
pub(crate) async fn check(conn: &mut Conn, env: &Environment, text: &str) -> Result<Option<String>, StorageError> {
    let Some(target) = Target::parse(text) else { return Ok(None) };
    let is_on_an_origin = target.origin().is_some_and(|origin| env.allows_origin(&origin));
    let may = is_on_an_origin || storage::redirect_urls::has_any(conn, env.id, target.entries()).await?;
    Ok(may.then(|| target.to_string()))
}

/// The same, for pages: without an address, or with one that is not allowed, there is none.
pub async fn target(engine: &Engine, env: &Environment, text: Option<&str>) -> Result<Option<String>, StorageError> {
    match text {
        Some(text) => check(&mut *engine.read().await?, env, text).await,
        None => Ok(None),
    }
}

/// One page of the list.
pub async fn list(engine: &Engine, cx: &Context, request: PageRequest<()>) -> Result<Page<RedirectUrl>, StorageError> {
    let env = cx.env;
    let total = engine.scan(async move |conn| storage::redirect_urls::count(conn, env).await).await?;
    let page = storage::redirect_urls::page(&mut *engine.read().await?, env, &request).await?;
    Ok(Page { total, ..page })
}

/// Finds an address of the list.
pub async fn find(engine: &Engine, cx: &Context, id: RedirectUrlId) -> Result<RedirectUrl, RedirectError> {
    storage::redirect_urls::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(RedirectError::NotFound)
}

/// Puts an address on the list.
pub async fn create(engine: &Engine, cx: &Context, url: &str) -> Result<RedirectUrl, RedirectError> {
    let kind = tenancy::environment(engine, cx.env).await?.kind;
    let url = redirect::entry(url, kind)?;
    engine
        .write(cx, async move |tx, cx| {
            let made = RedirectUrl { id: cx.id(), url: url.clone(), created_at: cx.now, updated_at: cx.now };
            storage::redirect_urls::insert(tx, cx.env, &made).await?;
            idempotency::keep(tx, cx, 201, &api::RedirectUrl::from(&made), Some(made.id.to_string())).await?;
            Ok(made)
        })
        .await
}

/// Takes an address off the list.
pub async fn delete(engine: &Engine, cx: &Context, id: RedirectUrlId) -> Result<(), RedirectError> {
    engine
        .write(cx, async move |tx, cx| {
            if !storage::redirect_urls::delete(tx, cx.env, id).await? {
                return Err(RedirectError::NotFound);
            }
            Ok(idempotency::forget(tx, cx, &id.to_string()).await?)
        })
        .await
}
