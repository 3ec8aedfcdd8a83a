//! How a sign-in begins.

use super::prepare::{Prepare, issue};
use super::{Moved, SignInError, password, person_of, ticket, transfer};
use crate::captcha::Cleared;
use crate::{Engine, people, tenancy};
use crypto::Secret;
use domain::environment::Environment;
use domain::identifier::Identifier;
use domain::settings::SignUpMode;
use domain::sign_in::{SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::{ClientId, Context};

/// What a sign-in begins with.
#[derive(Default)]
pub struct Create {
    /// Who it is said to be.
    pub identifier: Option<String>,
    /// The first challenge.
    pub strategy: Option<String>,
    /// The answer to it.
    pub password: Option<Secret<String>>,
    /// Where the click of a link lands.
    pub redirect_url: Option<String>,
    /// A ticket.
    pub ticket: Option<Secret<String>>,
    /// Goes on with a sign-up.
    pub transfer: bool,
}

/// Begins a sign-in, or goes on with the one that is open; issues the first challenge and takes its answer
/// when both are given.
pub async fn create(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    _: Cleared,
    input: Create,
) -> Result<Moved, SignInError> {
    let settings = &env.settings;
    if let Some(ticket) = input.ticket {
        return ticket::create(engine, cx, client, ticket).await;
    }
    if input.strategy.as_deref() == Some(Strategy::Ticket.as_str()) {
        return Err(SignInError::Missing("ticket"));
    }
    if input.transfer {
        return transfer::create(engine, cx, client).await;
    }
    let strategy = input.strategy.as_deref().map(|s| Strategy::parse(s).ok_or(SignInError::Strategy)).transpose()?;
    let identifier = match input.identifier.as_deref() {
        None => None,
        Some(text) => Some(people::identifier(settings, text).ok_or(SignInError::Identifier)?),
    };
    if identifier.as_ref().is_some_and(|i| !settings.supported_identifiers().contains(&i.kind)) {
        return Err(SignInError::Identifier);
    }
    let is_test = people::test_mode(settings, env.kind, identifier.as_ref().is_some_and(Identifier::is_test))?;
    let redirect_url = input.redirect_url;
    // Without a strategy a password is an answer to nothing.
    let password = input.password.filter(|_| strategy == Some(Strategy::Password));
    let cx = &Context { was_test: is_test, ..cx.clone() };

    let tenant = tenancy::tenant(engine, cx.env).await?;
    let moved = engine
        .write(cx, async move |tx, cx| {
            storage::clients::lock(tx, cx.env, client).await?.ok_or(SignInError::NoClient)?;
            let newest = storage::sign_ins::newest(tx, cx.env, client).await?;
            let open = newest.filter(|s| s.open(cx.now).is_ok());
            let same = open.filter(|s| identifier.is_none() || s.identifier == identifier);
            let mut sign_in = match same {
                Some(open) => {
                    storage::sign_ins::lock(tx, cx.env, client, open.id).await?.ok_or(SignInError::NotFound)?
                }
                None => {
                    abandon_open(tx, cx, client).await?;
                    let mut fresh = SignIn::begin(cx.id(), client, identifier.clone(), cx.now);
                    fresh.was_test = is_test;
                    begin_status(tx, &tenant.env, &mut fresh).await?;
                    storage::sign_ins::insert(tx, cx.env, &fresh).await?;
                    fresh
                }
            };
            let person = person_of(tx, &tenant.env, &sign_in).await?;
            let Some(strategy) = strategy else { return Ok(Moved { sign_in, person, challenge: None, begun: None }) };
            if sign_in.identifier.is_none() && strategy != Strategy::Passkey {
                return Err(SignInError::Missing("identifier"));
            }
            let wanted = Prepare { redirect_url: redirect_url.clone(), ..Prepare::default() };
            let challenge = issue(tx, cx, &tenant, &mut sign_in, person.as_ref(), strategy, &wanted).await?;
            Ok(Moved { sign_in, person, challenge: Some(challenge), begun: None })
        })
        .await?;

    match (password, &moved.challenge) {
        (Some(password), Some(challenge)) => {
            password::answer(engine, cx, env, client, moved.sign_in.id, challenge.id, password).await
        }
        _ => Ok(moved),
    }
}

pub(super) async fn abandon_open(tx: &mut storage::Tx<'_>, cx: &Context, client: ClientId) -> Result<(), SignInError> {
    let Some(open) = storage::sign_ins::newest(tx, cx.env, client).await? else { return Ok(()) };
    if open.status.is_terminal() {
        return Ok(());
    }
    let mut open = storage::sign_ins::lock(tx, cx.env, client, open.id).await?.ok_or(SignInError::NotFound)?;
    open.abandon(cx.now);
    Ok(storage::sign_ins::save(tx, cx.env, &open).await?)
}

/// Where nobody is known and that may be said, the attempt is for a sign-up.
pub(super) async fn begin_status(
    tx: &mut storage::Tx<'_>,
    env: &Environment,
    sign_in: &mut SignIn,
) -> Result<(), SignInError> {
    let Some(identifier) = &sign_in.identifier else { return Ok(()) };
    let telling =
        !env.settings.attack_protection.enumeration_protection && env.settings.sign_up_mode() != SignUpMode::Waitlist;
    if telling && people::resolve(tx, env, identifier).await?.is_none() {
        sign_in.status = SignInStatus::Transferable;
    }
    Ok(())
}
