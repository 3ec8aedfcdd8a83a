//! Sign-in by the ticket of an invitation. The one that was mailed proves whose mailbox it is; the other one only names
//! the address, as anybody could.

use super::{Moved, SignInError, advance};
use crate::invitations::{self, Redeemed};
use crate::tenancy::Tenant;
use crate::{challenges, people};
use domain::Context;
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::environment::Environment;
use domain::identifier::Identifier;
use domain::invitation::{Carrier, Invitation};
use domain::sign_in::{FirstProof, SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::Person;
use storage::Tx;

/// Begins a sign-in: with the mailed ticket its owner is in, or nobody has the address and may sign up; with the other
/// one the first factor is asked for as ever.
pub(super) async fn create(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    by: Redeemed,
) -> Result<Moved, SignInError> {
    let env = &tenant.env;
    let email = &by.invitation.email;
    let was_test = people::test_mode(&env.settings, env.kind, email.is_test())?;
    let cx = &Context { was_test, ..cx.clone() };
    let identifier = Identifier::email(email, env.settings.email_rules());
    let mut sign_in = SignIn::begin(cx.id(), client.id, Some(identifier), cx.now);
    sign_in.was_test = was_test;
    sign_in.invitation_id = Some(by.invitation.id);
    if let Some(owner) = owner(tx, cx, env, &by).await? {
        storage::sign_ins::insert(tx, cx.env, &sign_in).await?;
        let about = (Parent::SignIn(sign_in.id), Step::First, Strategy::Ticket);
        let challenge = challenges::issue_plain(tx, cx, about).await?;
        return prove(tx, cx, tenant, client, &mut sign_in, challenge, owner).await;
    }
    if by.carrier == Carrier::Mail && people::holder(tx, env, email).await?.is_none() {
        // Nobody has the address: whoever holds the mailbox may sign up with it.
        sign_in.first = Some(FirstProof { strategy: Strategy::Ticket, at: cx.now, number: None });
        sign_in.go_on(SignInStatus::Transferable, cx.now);
    } else {
        super::create::begin_status(tx, env, &mut sign_in).await?;
    }
    storage::sign_ins::insert(tx, cx.env, &sign_in).await?;
    let person = super::person_of(tx, env, &sign_in).await?;
    Ok(Moved { sign_in, person, challenge: None, begun: None })
}

/// Somebody whose mailbox the ticket of an invitation was mailed to; the row is held.
pub(super) struct Owner {
    invitation: Invitation,
    person: Person,
    /// The address in the form of its row.
    canonical: String,
}

/// Whom a ticket proves: who has the very address that it was mailed to. Another spelling of the address may be another
/// mailbox, and a ticket that was not mailed proves nobody.
pub(super) async fn owner(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    by: &Redeemed,
) -> Result<Option<Owner>, SignInError> {
    if by.carrier != Carrier::Mail {
        return Ok(None);
    }
    let email = &by.invitation.email;
    let known = people::mailbox(tx, env, &Identifier::email(email, env.settings.email_rules())).await?;
    let Some(address) = known.and_then(|known| known.address) else { return Ok(None) };
    if !address.verified {
        people::lock_claimants(tx, cx, &address.canonical).await?;
    }
    let person = storage::users::lock(tx, cx.env, address.user_id).await?;
    let owns = |person: &Person| person.email_addresses.iter().any(|a| a.email == *email);
    let (invitation, canonical) = (by.invitation.clone(), address.canonical);
    Ok(person.filter(owns).map(|person| Owner { invitation, person, canonical }))
}

/// Takes a mailed ticket as its owner's first factor, and spends it.
pub(super) async fn prove(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_in: &mut SignIn,
    mut challenge: Challenge,
    owner: Owner,
) -> Result<Moved, SignInError> {
    let env = &tenant.env;
    let Owner { invitation, mut person, canonical } = owner;
    let is_known_device = storage::sessions::client_knows(tx, cx.env, client.id, person.user.id).await?;
    people::take_over(tx, cx, &env.settings, &mut person, &canonical, is_known_device).await?;
    // Of all who come with it at once, one spends it.
    if !invitations::accept_by_owner(tx, cx, env, invitation.id, &mut person).await? {
        return Err(SignInError::Ticket);
    }
    sign_in.invitation_id = None;
    challenge.count_attempt(cx.now);
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, &challenge).await?;
    let proof = FirstProof { strategy: Strategy::Ticket, at: cx.now, number: None };
    let begun = advance::first(tx, cx, env, client, sign_in, &mut person, proof).await?;
    Ok(Moved { sign_in: sign_in.clone(), person: Some(person), challenge: Some(challenge), begun })
}
