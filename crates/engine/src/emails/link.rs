//! The proof of an address of a signed-in person by a mailed link.

use super::prove;
use crate::challenges::Note;
use crate::handshake::{Confirmed, HandshakeError, Outcome, must_be_own};
use crate::people;
use crate::tenancy::Tenant;
use domain::challenge::Parent;
use domain::{ChallengeId, ClientId, Context, EmailAddressId, code};
use storage::Tx;

/// Takes what a person answers on the page of a link. No session comes of it.
pub(crate) async fn confirm(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    here: Option<ClientId>,
    (id, challenge): (EmailAddressId, ChallengeId),
    yes: bool,
) -> Result<Confirmed, HandshakeError> {
    let found = storage::email_addresses::find(tx, cx.env, id).await?.ok_or(HandshakeError::Dead)?;
    people::lock_claimants(tx, cx, &found.canonical).await?;
    let person = storage::users::lock(tx, cx.env, found.user_id).await?;
    let mut person = person.ok_or(HandshakeError::Dead)?;
    let address = person.email_addresses.iter().find(|a| a.id == id && !a.verified).cloned();
    let mut address = address.ok_or(HandshakeError::Dead)?;
    let challenge = storage::challenges::lock(tx, cx.env, &Parent::EmailAddress(id), challenge).await?;
    let mut challenge = challenge.filter(|c| c.answerable(cx.now).is_ok()).ok_or(HandshakeError::Dead)?;
    if !yes {
        challenge.fail(code::VERIFICATION_FAILED, cx.now);
        storage::challenges::save(tx, cx.env, &challenge).await?;
        address.current_challenge_id = None;
        storage::email_addresses::save(tx, cx.env, &address).await?;
        return Ok(Confirmed::new(&challenge, Outcome::Denied, None));
    }
    // The link is worth what the session is that asked for it: one that was taken away adds no address any more.
    let asked_in = match Note::read(&challenge).session {
        Some(session) => storage::sessions::find(tx, cx.env, session).await?,
        None => None,
    };
    let settings = &tenant.env.settings.sessions;
    let is_live = asked_in.is_some_and(|s| s.user_id == found.user_id && s.status_at(cx.now, settings).is_live());
    if !is_live || person.user.banned || person.user.operator_lock(cx.now).is_some() {
        return Err(HandshakeError::Dead);
    }
    if must_be_own(&tenant.env) {
        let is_own = match here {
            Some(client) => storage::sessions::client_knows(tx, cx.env, client, found.user_id).await?,
            None => false,
        };
        if !is_own {
            return Err(HandshakeError::Elsewhere);
        }
    }
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, &challenge).await?;
    prove(tx, cx, &mut person, &mut address).await?;
    people::save(tx, cx, &tenant.env.settings, &mut person).await?;
    Ok(Confirmed::new(&challenge, Outcome::Verified, None))
}
