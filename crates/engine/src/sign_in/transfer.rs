//! A sign-up that found its person becomes a sign-in. What was proven stays proven; what was only said is asked for.

use super::{Moved, SignInError, advance};
use crate::tenancy;
use crate::{Engine, invitations, people};
use domain::client::Client;
use domain::environment::Environment;
use domain::identifier::Identifier;
use domain::sign_in::{FirstProof, SignIn, TRANSFER_WINDOW};
use domain::sign_up::{SignUp, SignUpStatus};
use domain::strategy::Strategy;
use domain::user::EmailAddress;
use domain::{ClientId, Context};
use storage::Tx;

/// Goes on with the transferable sign-up of a client; it is used up by it.
pub(super) async fn create(engine: &Engine, cx: &Context, client: ClientId) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let env = &tenant.env;
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignInError::NoClient)?;
            let mut sign_up = take(tx, cx, &client).await?;
            let (identifier, proof) = identity(env, &sign_up, cx).ok_or(SignInError::NoTransfer)?;
            let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
            sign_up.abandon(cx.now);
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
            super::create::abandon_open(tx, cx, client.id).await?;
            let mut sign_in = SignIn::begin(cx.id(), client.id, Some(identifier.clone()), cx.now);
            sign_in.was_test = sign_up.was_test;
            sign_in.invitation_id = sign_up.invitation_id;
            storage::sign_ins::insert(tx, cx.env, &sign_in).await?;
            let known = people::resolve(tx, env, &identifier).await?;
            let (Some(proof), Some(known)) = (proof, known) else {
                // Said and not proven: the first factor is asked for as ever.
                let person = super::person_of(tx, env, &sign_in).await?;
                return Ok(Moved { sign_in, person, challenge: None, begun: None });
            };
            let mut person = storage::users::lock(tx, cx.env, known.user).await?.ok_or(SignInError::Unknown)?;
            // The proof is of an address that the person has proven as well, or it says nothing of the person.
            // An invitation was mailed to one spelling of it; another may be another mailbox.
            let is_same = |a: &EmailAddress| match sign_up.invitation_id {
                Some(_) => a.email.as_str() == identifier.shown,
                None => a.canonical == identifier.canonical,
            };
            let theirs = person.email_addresses.iter().any(|a| a.verified && is_same(a))
                || person.phone_numbers.iter().any(|p| p.verified && p.number.as_str() == identifier.canonical);
            if !theirs {
                return Ok(Moved { sign_in, person: None, challenge: None, begun: None });
            }
            // A ticket that was mailed proves once: of all who come with it, one spends it.
            if let Some(id) = sign_in.invitation_id.take()
                && !invitations::accept_by_owner(tx, cx, env, id, &mut person).await?
            {
                return Err(SignInError::Ticket);
            }
            let number = person.phone_numbers.iter().find(|p| p.number.as_str() == identifier.canonical).map(|p| p.id);
            let proof = FirstProof { number, ..proof };
            let begun = advance::first(tx, cx, env, &mut client, &mut sign_in, &mut person, proof).await?;
            Ok(Moved { sign_in, person: Some(person), challenge: None, begun })
        })
        .await
}

async fn take(tx: &mut Tx<'_>, cx: &Context, client: &Client) -> Result<SignUp, SignInError> {
    let newest = storage::sign_ups::newest(tx, cx.env, client.id).await?.ok_or(SignInError::NoTransfer)?;
    let sign_up = storage::sign_ups::lock(tx, cx.env, client.id, newest.id).await?.ok_or(SignInError::NoTransfer)?;
    match sign_up.status_at(cx.now) {
        SignUpStatus::Transferable => Ok(sign_up),
        _ => Err(SignInError::NoTransfer),
    }
}

/// Who the sign-up said it is, and the proof of it while that is fresh.
fn identity(env: &Environment, sign_up: &SignUp, cx: &Context) -> Option<(Identifier, Option<FirstProof>)> {
    let fresh = sign_up.proven_at.filter(|at| cx.now < *at + TRANSFER_WINDOW);
    let proof = |proven: bool, strategy| fresh.filter(|_| proven).map(|at| FirstProof { strategy, at, number: None });
    if let Some(email) = &sign_up.email_address {
        let identifier = Identifier::email(email, env.settings.email_rules());
        return Some((identifier, proof(sign_up.email_verified, Strategy::EmailCode)));
    }
    let number = sign_up.phone_number.as_ref()?;
    Some((Identifier::phone(number), proof(sign_up.phone_verified, Strategy::PhoneCode)))
}
