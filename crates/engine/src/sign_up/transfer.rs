//! A sign-in that found nobody becomes a sign-up. What was proven stays proven; what was only said must be proven.

use super::{Moved, SignUpError, complete};
use crate::{Engine, people, tenancy};
use domain::identifier::IdentifierKind;
use domain::settings::SignUpMode;
use domain::sign_in::{SignIn, SignInStatus, TRANSFER_WINDOW};
use domain::sign_up::{SignUp, SignUpStatus};
use domain::text::Username;
use domain::{ClientId, Context, Email, Kind, Phone, Problem, code as codes};
use storage::Tx;

/// Goes on with the transferable sign-in of a client; it is used up by it.
pub(super) async fn create(engine: &Engine, cx: &Context, client: ClientId) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    if tenant.env.settings.sign_up_mode() != SignUpMode::Public {
        // Nobody is on a list before lists exist: closed is closed.
        return Err(SignUpError::NotAllowed);
    }
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let mut sign_in = take(tx, cx, client.id).await?;
            let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
            if let Some(open) = storage::sign_ups::newest(tx, cx.env, client.id).await?
                && open.open(cx.now).is_ok()
            {
                let mut open =
                    storage::sign_ups::lock(tx, cx.env, client.id, open.id).await?.ok_or(SignUpError::NotFound)?;
                open.abandon(cx.now);
                storage::sign_ups::save(tx, cx.env, &open).await?;
            }
            let mut sign_up = SignUp::begin(cx.id(), client.id, cx.now);
            sign_up.was_test = sign_in.was_test;
            stage(&mut sign_up, &sign_in, cx)?;
            if sign_up.email_address.as_ref().is_some_and(|email| !tenant.env.settings.takes_address(email)) {
                let refused = Problem::of_param(Kind::Invalid, codes::IDENTIFIER_DISPOSABLE, "email_address");
                return Err(SignUpError::Fields(vec![refused]));
            }
            sign_in.abandon(cx.now);
            storage::sign_ins::save(tx, cx.env, &sign_in).await?;
            if let Some(email) = &sign_up.email_address {
                let telling = !tenant.env.settings.attack_protection.enumeration_protection;
                if telling && people::holder(tx, &tenant.env, email).await?.is_some() {
                    sign_up.status = SignUpStatus::Transferable;
                }
            }
            storage::sign_ups::insert(tx, cx.env, &sign_up).await?;
            let begun = complete::if_ready(tx, cx, &tenant, &mut client, &mut sign_up).await?;
            Ok(Moved { sign_up, challenge: None, begun })
        })
        .await
}

async fn take(tx: &mut Tx<'_>, cx: &Context, client: ClientId) -> Result<SignIn, SignUpError> {
    let newest = storage::sign_ins::newest(tx, cx.env, client).await?.ok_or(SignUpError::NoTransfer)?;
    let sign_in = storage::sign_ins::lock(tx, cx.env, client, newest.id).await?.ok_or(SignUpError::NoTransfer)?;
    match sign_in.status_at(cx.now) {
        SignInStatus::Transferable => Ok(sign_in),
        _ => Err(SignUpError::NoTransfer),
    }
}

/// Copies the identifier; as proven only while its proof is fresh.
fn stage(sign_up: &mut SignUp, sign_in: &SignIn, cx: &Context) -> Result<(), SignUpError> {
    let identifier = sign_in.identifier.as_ref().ok_or(SignUpError::NoTransfer)?;
    let proven = sign_in.first.as_ref().filter(|first| cx.now < first.at + TRANSFER_WINDOW);
    match identifier.kind {
        IdentifierKind::EmailAddress => {
            sign_up.stage_email(Email::parse(&identifier.shown).map_err(|_| SignUpError::NoTransfer)?);
            sign_up.email_verified = proven.is_some_and(|first| first.strategy.is_mailed());
        }
        IdentifierKind::PhoneNumber => {
            sign_up.stage_phone(Phone::from_e164(&identifier.canonical).map_err(|_| SignUpError::NoTransfer)?);
            sign_up.phone_verified = proven.is_some_and(|first| first.strategy.is_texted());
        }
        IdentifierKind::Username => {
            sign_up.username = Some(Username::parse(&identifier.shown).map_err(|_| SignUpError::NoTransfer)?);
        }
    }
    sign_up.proven_at = proven.map(|first| first.at);
    Ok(())
}
