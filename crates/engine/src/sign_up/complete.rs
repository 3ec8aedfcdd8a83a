//! The end of a sign-up: a person, an address, a session, in one transaction.

use super::SignUpError;
use crate::invitations;
use crate::people;
use crate::restrictions::{self, Voucher, Wanted};
use crate::sessions::{self, Begun};
use crate::tenancy::Tenant;
use domain::Context;
use domain::client::Client;
use domain::invitation::{Invitation, NotRedeemable};
use domain::session::Factors;
use domain::sign_up::{SignUp, SignUpStatus};
use domain::strategy::Strategy;
use domain::user::User;
use storage::Tx;

/// Completes a sign-up whose row is held when nothing is missing. Whoever comes second to an address is
/// handed to sign-in; the unique index decides who that is.
pub(super) async fn if_ready(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_up: &mut SignUp,
) -> Result<Option<Begun>, SignUpError> {
    let env = &tenant.env;
    if !sign_up.is_ready(&env.settings) {
        return Ok(None);
    }
    if let Some(refused) = restrictions::refused(tx, env, Wanted::of(sign_up), Voucher::of(sign_up)).await? {
        return Err(refused.into());
    }
    if let Some(email) = &sign_up.email_address
        && people::holder(tx, env, email).await?.is_some()
    {
        sign_up.status = SignUpStatus::Transferable;
        sign_up.current_challenge_id = None;
        storage::sign_ups::save(tx, cx.env, sign_up).await?;
        return Ok(None);
    }
    if let Some(number) = &sign_up.phone_number
        && people::by_number(tx, env, number).await?.is_some()
    {
        return Err(SignUpError::NumberTaken);
    }
    let invitation = invitation(tx, cx, sign_up).await?;
    let mut user = User::new(cx.id(), cx.now);
    if let Some(invitation) = &invitation {
        user.public_metadata.clone_from(&invitation.public_metadata);
    }
    user.username.clone_from(&sign_up.username);
    user.first_name.clone_from(&sign_up.first_name);
    user.last_name.clone_from(&sign_up.last_name);
    user.password_digest.clone_from(&sign_up.password_digest);
    user.unsafe_metadata.clone_from(&sign_up.unsafe_metadata);
    let emails: Vec<_> = sign_up.email_address.iter().cloned().collect();
    let numbers: Vec<_> = sign_up.phone_number.iter().cloned().collect();
    // What did not have to be proven is not proven.
    let names = people::Names {
        emails: &emails,
        emails_verified: sign_up.email_verified,
        numbers: &numbers,
        numbers_verified: sign_up.phone_verified,
    };
    let mut person = people::insert(tx, cx, env, user, names).await?;
    // Of all who come to this end at once, one spends it; nobody else's person comes to be.
    if let Some(invitation) = invitation
        && !invitations::accept(tx, cx, env, invitation.id, person.user.id).await?
    {
        return Err(SignUpError::Ticket);
    }
    let first = match (sign_up.email_verified, sign_up.phone_verified) {
        (true, _) => Strategy::EmailCode,
        (false, true) => Strategy::PhoneCode,
        (false, false) => Strategy::Password,
    };
    let number = person.phone_numbers.first().filter(|_| first == Strategy::PhoneCode);
    let factors = Factors { first_number: number.map(|n| n.id), ..Factors::first(first, cx.now) };
    let begun = sessions::begin(tx, cx, &env.settings, client, &mut person, factors).await?;
    sign_up.complete(person.user.id, begun.session.id, cx.now);
    storage::sign_ups::save(tx, cx.env, sign_up).await?;
    Ok(Some(begun))
}

/// The invitation that a sign-up goes on with: it waits still, and is for the very address that was proven.
async fn invitation(tx: &mut Tx<'_>, cx: &Context, sign_up: &SignUp) -> Result<Option<Invitation>, SignUpError> {
    let Some(id) = sign_up.invitation_id else { return Ok(None) };
    let found = storage::invitations::find(tx, cx.env, id).await?;
    let is_theirs = |one: &Invitation| sign_up.email_verified && sign_up.email_address.as_ref() == Some(&one.email);
    let invitation = found.filter(is_theirs).ok_or(SignUpError::Ticket)?;
    match invitation.redeemable(cx.now) {
        Ok(()) => Ok(Some(invitation)),
        Err(NotRedeemable::Expired) => Err(SignUpError::TicketExpired),
        Err(NotRedeemable::Over) => Err(SignUpError::Ticket),
    }
}
