//! The proof of a sign-up's address by a mailed link: confirmed anywhere, collected by the client that asked.

use super::{Moved, SignUpError, complete};
use crate::Engine;
use crate::handshake::{Confirmed, HandshakeError, Outcome, must_be_own};
use crate::people;
use crate::tenancy::{self, Tenant};
use domain::challenge::Parent;
use domain::sign_up::SignUpStatus;
use domain::{ChallengeId, ClientId, Context, SignUpId, code};
use storage::Tx;

/// Takes what a person answers on the page of a link, also of the one that tells of an account. The person and the
/// session are made here only when this browser is the client that asked.
pub(crate) async fn confirm(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    here: Option<ClientId>,
    (id, challenge): (SignUpId, ChallengeId),
    yes: bool,
) -> Result<Confirmed, HandshakeError> {
    let dead = HandshakeError::Dead;
    let origin = storage::sign_ups::anywhere(tx, cx.env, id).await?.ok_or(dead)?.client_id;
    let mut client = storage::clients::lock(tx, cx.env, origin).await?.ok_or(HandshakeError::Dead)?;
    let sign_up = storage::sign_ups::lock(tx, cx.env, origin, id).await?;
    let mut sign_up = sign_up.ok_or(HandshakeError::Dead)?;
    let challenge = storage::challenges::lock(tx, cx.env, &Parent::SignUp(id), challenge).await?;
    let mut challenge = challenge.filter(|c| c.answerable(cx.now).is_ok()).ok_or(HandshakeError::Dead)?;
    let email = sign_up.email_address.clone().ok_or(HandshakeError::Dead)?;
    // The address was changed after the mail was sent: the link is of another one.
    let is_of_it = challenge.target.as_ref() == Some(&tenant.env.settings.canonical(&email));
    if sign_up.status_at(cx.now) != SignUpStatus::MissingRequirements || !is_of_it {
        return Err(HandshakeError::Dead);
    }
    if !yes {
        challenge.fail(code::VERIFICATION_FAILED, cx.now);
        storage::challenges::save(tx, cx.env, &challenge).await?;
        if sign_up.let_go(&challenge, cx.now) {
            storage::sign_ups::save(tx, cx.env, &sign_up).await?;
        }
        return Ok(Confirmed::new(&challenge, Outcome::Denied, None));
    }
    let is_own = here == Some(origin);
    let is_taken = people::holder(tx, &tenant.env, &email).await?.is_some();
    // Of an address that has an account, the link would let whoever asked for it into that account: it counts in the
    // very browser that asked, where it lets its own user in and nobody else.
    if !is_own && (is_taken || must_be_own(&tenant.env)) {
        return Err(HandshakeError::Elsewhere);
    }
    let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
    sign_up.email_verified = true;
    sign_up.proven_at = Some(cx.now);
    sign_up.current_challenge_id = None;
    sign_up.updated_at = cx.now;
    if is_taken {
        sign_up.status = SignUpStatus::Transferable;
        challenge.transfer(cx.now);
    } else {
        challenge.verify(cx.now);
    }
    storage::sign_ups::save(tx, cx.env, &sign_up).await?;
    storage::challenges::save(tx, cx.env, &challenge).await?;
    let begun = match is_own {
        true => complete::if_ready(tx, cx, tenant, &mut client, &mut sign_up).await?,
        false => None,
    };
    let outcome = match (&begun, sign_up.status) {
        (Some(_), _) => Outcome::Complete,
        (None, SignUpStatus::Transferable) => Outcome::Transferable,
        (None, _) => Outcome::Verified,
    };
    Ok(Confirmed::new(&challenge, outcome, begun))
}

/// Completes a sign-up whose address was proven in another browser.
pub(crate) async fn collect(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignUpId,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            let mut sign_up = storage::sign_ups::lock(tx, cx.env, client.id, id).await?.ok_or(SignUpError::NotFound)?;
            sign_up.open(cx.now)?;
            let cx = &Context { was_test: sign_up.was_test, ..cx.clone() };
            let begun = complete::if_ready(tx, cx, &tenant, &mut client, &mut sign_up).await?;
            Ok(Moved { sign_up, challenge: None, begun })
        })
        .await
}
