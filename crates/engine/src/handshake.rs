//! The click on a mailed link. Looking changes nothing, because scanners and prefetchers follow links; what counts is
//! the confirmation that a person sends from the page.
//!
//! The proof belongs to the client that asked for the link. Where the confirmation comes from another browser, it
//! proves the mailbox and no more: the session begins when the client that asked comes for it (decision 9).

use crate::emails::{self, EmailError};
use crate::sessions::Begun;
use crate::sign_in::{self, SignInError};
use crate::sign_up::{self, SignUpError};
use crate::tenancy;
use crate::{Engine, StorageError, challenges::Note, people};
use crypto::TokenHash;
use domain::challenge::{Challenge, Parent, Step};
use domain::environment::Environment;
use domain::{ClientId, Context, Kind, Refusal, Timestamp, Verdict, code};
use storage::{Conn, Retry};

/// Why a link does not go on.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The link was used, is past its time, or is none of ours.
    #[error("the link does not work any more")]
    Dead,
    /// The link counts only in the browser that asked for it.
    #[error("the link was opened in another browser")]
    Elsewhere,
    /// The sign-in does not go on.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The sign-up does not go on.
    #[error(transparent)]
    SignUp(#[from] SignUpError),
    /// The address is not proven.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The database failed.
    #[error("the link cannot be followed")]
    Storage(#[from] StorageError),
}

impl Retry for HandshakeError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Dead | Self::Elsewhere => false,
            Self::SignIn(error) => error.is_retryable(),
            Self::SignUp(error) => error.is_retryable(),
            Self::Email(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
        }
    }
}

impl Refusal for HandshakeError {
    fn verdict(&self) -> Verdict {
        match self {
            // Another browser hears what a stranger hears.
            Self::Dead | Self::Elsewhere => Kind::Invalid.code(code::MAGIC_LINK_EXPIRED),
            Self::SignIn(error) => error.verdict(),
            Self::SignUp(error) => error.verdict(),
            Self::Email(error) => error.verdict(),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// To sign in.
    SignIn,
    /// To sign up.
    SignUp,
    /// To prove an address of an account.
    Address,
}

/// What somebody who follows a link is told before they confirm.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is for.
    pub what: What,
    /// What a person would call the device that asked for it.
    pub device: Option<String>,
    /// When it was asked for.
    pub at: Timestamp,
    /// It counts in another browser only.
    pub elsewhere: bool,
}

/// What a confirmation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A session began, in this browser.
    Complete,
    /// It is proven; the client that asked goes on.
    Verified,
    /// It is proven, and belongs to the other flow.
    Transferable,
    /// It was denied: the link is dead.
    Denied,
}

/// What became of a link.
pub struct Confirmed {
    /// What it came to.
    pub outcome: Outcome,
    /// Where the application wants the browser to land.
    pub redirect_url: Option<String>,
    /// What the browser is left with, when it is the one that asked.
    pub begun: Option<Begun>,
}

impl Confirmed {
    pub(crate) fn new(challenge: &Challenge, outcome: Outcome, begun: Option<Begun>) -> Self {
        Self { outcome, redirect_url: challenge.redirect_url.clone(), begun }
    }
}

fn hash(ticket: &str) -> TokenHash {
    TokenHash::of_str(ticket)
}

/// Shows what a link is for. Nothing changes by looking.
pub async fn look(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    here: Option<ClientId>,
    ticket: &str,
) -> Result<Asked, HandshakeError> {
    let mut conn = engine.read().await?;
    let challenge = storage::challenges::by_ticket(&mut conn, cx.env, hash(ticket).as_bytes()).await?;
    let challenge = challenge.filter(|c| c.answerable(cx.now).is_ok()).ok_or(HandshakeError::Dead)?;
    let (what, is_own) = parent(&mut conn, cx, here, &challenge).await?.ok_or(HandshakeError::Dead)?;
    let is_taken = match challenge.parent {
        Parent::SignUp(id) if !is_own => {
            let email = storage::sign_ups::anywhere(&mut conn, cx.env, id).await?.and_then(|s| s.email_address);
            match email {
                Some(email) => people::holder(&mut conn, env, &email).await?.is_some(),
                None => false,
            }
        }
        _ => false,
    };
    Ok(Asked {
        what,
        device: Note::read(&challenge).device,
        at: challenge.created_at,
        // The trust in a new device is shown on that device.
        elsewhere: (is_taken || must_be_own(env) || challenge.step == Step::Second) && !is_own,
    })
}

/// Whether links count only in the browser that asked for them.
pub(crate) fn must_be_own(env: &Environment) -> bool {
    env.settings.authentication_strategies.email_link.require_same_client
}

/// What a challenge belongs to, while that goes on, and whether this browser is the one that asked.
async fn parent(
    conn: &mut Conn,
    cx: &Context,
    here: Option<ClientId>,
    challenge: &Challenge,
) -> Result<Option<(What, bool)>, StorageError> {
    Ok(match challenge.parent {
        Parent::SignIn(id) => {
            let found = storage::sign_ins::anywhere(conn, cx.env, id).await?;
            found.filter(|s| s.open(cx.now).is_ok()).map(|s| (What::SignIn, here == Some(s.client_id)))
        }
        Parent::SignUp(id) => {
            let found = storage::sign_ups::anywhere(conn, cx.env, id).await?;
            found.filter(|s| s.open(cx.now).is_ok()).map(|s| (What::SignUp, here == Some(s.client_id)))
        }
        Parent::EmailAddress(id) => match storage::email_addresses::find(conn, cx.env, id).await? {
            Some(address) if !address.verified => {
                let is_own = match here {
                    Some(client) => storage::sessions::client_knows(conn, cx.env, client, address.user_id).await?,
                    None => false,
                };
                Some((What::Address, is_own))
            }
            _ => None,
        },
        Parent::PhoneNumber(_) | Parent::Session(_) | Parent::User(_) => None,
    })
}

/// Takes what a person answers on the page of a link. One transaction decides whose confirmation counts.
pub async fn confirm(
    engine: &Engine,
    cx: &Context,
    here: Option<ClientId>,
    ticket: &str,
    yes: bool,
) -> Result<Confirmed, HandshakeError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let hash = hash(ticket);
    engine
        .write(cx, async move |tx, cx| {
            let found = storage::challenges::by_ticket(tx, cx.env, hash.as_bytes()).await?;
            let found = found.ok_or(HandshakeError::Dead)?;
            match found.parent {
                Parent::SignIn(id) => sign_in::confirm(tx, cx, &tenant, here, (id, found.id), yes).await,
                Parent::SignUp(id) => sign_up::confirm(tx, cx, &tenant, here, (id, found.id), yes).await,
                Parent::EmailAddress(id) => emails::confirm(tx, cx, &tenant, here, (id, found.id), yes).await,
                Parent::PhoneNumber(_) | Parent::Session(_) | Parent::User(_) => Err(HandshakeError::Dead),
            }
        })
        .await
}

/// Begins the session that waits for a client whose link was confirmed in another browser; none when nothing waits.
pub async fn collect(engine: &Engine, cx: &Context, client: ClientId) -> Result<Option<Begun>, HandshakeError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (sign_in, sign_up) = {
        let mut conn = engine.read().await?;
        let sign_in = storage::sign_ins::newest(&mut conn, cx.env, client).await?;
        (sign_in, storage::sign_ups::newest(&mut conn, cx.env, client).await?)
    };
    if let Some(waiting) = sign_in.filter(|s| s.waits_for_its_client(cx.now)) {
        return Ok(sign_in::collect(engine, cx, client, waiting.id).await?.begun);
    }
    if let Some(waiting) = sign_up.filter(|s| s.waits_for_its_client(cx.now, &tenant.env.settings)) {
        return Ok(sign_up::collect(engine, cx, client, waiting.id).await?.begun);
    }
    Ok(None)
}
