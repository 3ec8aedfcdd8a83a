//! The proof that a new device is the person's own: after the password alone, in a browser that was never theirs before,
//! one of the mailboxes or numbers that they have proven is asked for (decision 13).

use super::prepare::Prepare;
use super::{Moved, SignInError, advance, hold, let_go};
use crate::challenges::{self, About, CodeTarget, NumberTarget, Tries, Wrong};
use crate::guesses::{self, Purpose};
use crate::handshake::{Confirmed, HandshakeError, Outcome};
use crate::mail::To;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, factors, redirects};
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::environment::Environment;
use domain::sign_in::{SignIn, SignInStatus};
use domain::strategy::Strategy;
use domain::user::{EmailAddress, Person, PhoneNumber};
use domain::{ChallengeId, ClientId, Context, SignInId, code as codes};
use storage::Tx;

/// Whether a sign-in whose factors are all proven has shown nothing but a password, on a device that is not known for
/// the person. Whatever else was shown proves more than the device could.
pub(super) async fn is_due(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &Client,
    sign_in: &SignIn,
    person: &Person,
) -> Result<bool, StorageError> {
    let by_password = sign_in.first.as_ref().is_some_and(|first| first.strategy == Strategy::Password);
    if !by_password || !env.settings.attack_protection.device_tracking.is_required() {
        return Ok(false);
    }
    let user = &person.user;
    Ok(!storage::sessions::is_known_device(tx, cx.env, client.id, user.id, user.devices_since).await?)
}

/// Issues the challenge, to an address or number that the person has proven: the one that is named, else the one that
/// the sign-in began with, else the primary one.
pub(super) async fn issue(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    sign_in: &SignIn,
    person: &Person,
    (strategy, wanted): (Strategy, &Prepare),
) -> Result<Challenge, SignInError> {
    let parent = Parent::SignIn(sign_in.id);
    if strategy == Strategy::PhoneCode {
        let number = number(sign_in, person, wanted.phone_number_id.as_deref())?;
        let target = NumberTarget {
            number: &number.number,
            user: Some(person.user.id),
            answerable: true,
            is_test: factors::takes_fixed_code(tenant, number),
        };
        return Ok(challenges::issue_texted(tx, cx, tenant, (parent, Step::Second), target).await?);
    }
    let address = address(sign_in, person, wanted.email_address_id.as_deref())?;
    let about = (parent, Step::Second, strategy);
    let target = CodeTarget {
        canonical: &address.canonical,
        to: To::Address(address),
        letter: About::Code,
        is_test: sign_in.was_test && address.email.is_test(),
    };
    if strategy == Strategy::EmailLink {
        let redirect = match wanted.redirect_url.as_deref() {
            Some(text) => Some(redirects::check(tx, &tenant.env, text).await?.ok_or(SignInError::Redirect)?),
            None => None,
        };
        return Ok(challenges::issue_link(tx, cx, tenant, about, target, redirect).await?);
    }
    Ok(challenges::issue_code(tx, cx, tenant, about, target).await?)
}

fn address<'p>(sign_in: &SignIn, person: &'p Person, wanted: Option<&str>) -> Result<&'p EmailAddress, SignInError> {
    let proven = || person.email_addresses.iter().filter(|a| a.verified);
    if let Some(wanted) = wanted {
        return proven().find(|a| a.id.to_string() == wanted).ok_or(SignInError::Unknown);
    }
    let typed = sign_in.identifier.as_ref().map(|i| i.canonical.as_str());
    let primary = person.user.primary_email_address_id;
    let found = proven().find(|a| Some(a.canonical.as_str()) == typed);
    found.or_else(|| proven().find(|a| Some(a.id) == primary)).or_else(|| proven().next()).ok_or(SignInError::Strategy)
}

fn number<'p>(sign_in: &SignIn, person: &'p Person, wanted: Option<&str>) -> Result<&'p PhoneNumber, SignInError> {
    let proven = || person.phone_numbers.iter().filter(|n| n.verified);
    if let Some(wanted) = wanted {
        return proven().find(|n| n.id.to_string() == wanted).ok_or(SignInError::Unknown);
    }
    let typed = sign_in.identifier.as_ref().map(|i| i.canonical.as_str());
    let primary = person.user.primary_phone_number_id;
    let found = proven().find(|n| Some(n.number.as_str()) == typed);
    found.or_else(|| proven().find(|n| Some(n.id) == primary)).or_else(|| proven().next()).ok_or(SignInError::Strategy)
}

/// Whether what a challenge was sent to is still the person's.
fn is_theirs(person: &Person, challenge: &Challenge) -> bool {
    let target = challenge.target.as_deref();
    match challenge.strategy {
        Strategy::PhoneCode => person.phone_numbers.iter().any(|n| n.verified && Some(n.number.as_str()) == target),
        _ => person.email_addresses.iter().any(|a| a.verified && Some(a.canonical.as_str()) == target),
    }
}

/// Takes a code. One transaction decides who consumed it.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    code: String,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = hold(tx, cx, client, id).await?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            if let Err(over) = challenge.answerable(cx.now) {
                // Of fifty that answer at once, forty-nine hear that it is done.
                return Ok(Err(Wrong::from(over).into()));
            }
            if sign_in.open(cx.now)? != SignInStatus::NeedsClientTrust {
                return Err(SignInError::Strategy);
            }
            let user = sign_in.user_id.ok_or(SignInError::Strategy)?;
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(SignInError::Unknown)?;
            let identity = guesses::identity(Some(user), "");
            let free = challenges::takes_test_code(&tenant, cx, &challenge);
            let tries = Tries { identity: &identity, purpose: Purpose::ClientTrust, free };
            if let Err(wrong) = challenges::begin_try(tx, cx, &tenant, &mut challenge, tries).await? {
                return Ok(Err(wrong.into()));
            }
            // Looked at first: a code costs the same whether its address is still the person's or not.
            let right = challenges::is_code(&tenant, &challenge, &code);
            let outcome = if right && is_theirs(&person, &challenge) { Ok(()) } else { Err(codes::CODE_INCORRECT) };
            if let Err(wrong) = challenges::end_try(tx, cx, &mut challenge, tries, outcome).await? {
                let_go(tx, cx, &mut sign_in, &challenge).await?;
                // A failed answer is kept: the transaction commits.
                return Ok(Err(wrong.into()));
            }
            let begun = advance::trusted(tx, cx, &tenant.env, &mut client, &mut sign_in, &mut person).await?;
            Ok::<_, SignInError>(Ok(Moved { sign_in, person: Some(person), challenge: Some(challenge), begun }))
        })
        .await?
}

/// Takes the confirmation of a link, in the browser that asked for it and in no other: the owner of the mailbox would
/// else let in whoever has the password with one click on a mail that they did not expect.
pub(super) async fn confirm(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    here: Option<ClientId>,
    client: &mut Client,
    sign_in: &mut SignIn,
    challenge: &mut Challenge,
) -> Result<Confirmed, HandshakeError> {
    if here != Some(client.id) {
        return Err(HandshakeError::Elsewhere);
    }
    let user = sign_in.user_id.ok_or(HandshakeError::Dead)?;
    let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(HandshakeError::Dead)?;
    if !is_theirs(&person, challenge) {
        return Err(HandshakeError::Dead);
    }
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, challenge).await?;
    let cx = &Context { was_test: sign_in.was_test, ..cx.clone() };
    let begun = advance::trusted(tx, cx, &tenant.env, client, sign_in, &mut person).await?;
    let outcome = if begun.is_some() { Outcome::Complete } else { Outcome::Verified };
    Ok(Confirmed::new(challenge, outcome, begun))
}
