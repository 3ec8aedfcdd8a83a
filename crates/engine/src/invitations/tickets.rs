//! The tickets of invitations: made from the environment's key whenever they are needed, stored nowhere (decision 10).

use crate::StorageError;
use crate::tenancy::Tenant;
use crypto::{Secret, TokenHash};
use domain::Context;
use domain::invitation::{Carrier, Invitation, NotRedeemable};
use storage::Conn;
use storage::invitations::Hashes;

/// A ticket of an invitation: the same at every making, and another for each way that it travels.
fn ticket(tenant: &Tenant, invitation: &Invitation, carrier: Carrier) -> Secret<String> {
    let (id, generation) = (invitation.id.to_string(), invitation.generation.to_string());
    let tag = tenant.keys.invitation.tag(&[carrier.as_str().as_bytes(), id.as_bytes(), generation.as_bytes()]);
    Secret::new(format!("tkt_{}", crypto::base64url::encode(&tag)))
}

/// The link that carries a ticket.
pub(super) fn link(tenant: &Tenant, invitation: &Invitation, carrier: Carrier) -> Secret<String> {
    let ticket = ticket(tenant, invitation, carrier);
    let redirect_url = invitation.redirect_url.as_deref();
    Secret::new(tenant.env.ticket_link(Some(ticket.expose()), invitation.leads_to(), redirect_url))
}

/// What finds the invitation again by its tickets. What is not mailed is not known either.
pub(super) fn hashes(tenant: &Tenant, invitation: &Invitation, is_mailed: bool) -> Hashes {
    let hash = |carrier| TokenHash::of_str(ticket(tenant, invitation, carrier).expose());
    Hashes { link: hash(Carrier::Link), mail: is_mailed.then(|| hash(Carrier::Mail)) }
}

/// An invitation whose ticket was shown.
#[derive(Debug, Clone)]
pub(crate) struct Redeemed {
    /// The invitation; it waits.
    pub(crate) invitation: Invitation,
    /// By which way the ticket came.
    pub(crate) carrier: Carrier,
}

/// Why a ticket opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotInvited {
    /// It is unknown, used or taken back.
    Invalid,
    /// It is past its time.
    Expired,
}

/// The invitation that a ticket belongs to. Nothing is held and nothing is spent: that is decided by the one UPDATE of
/// whoever comes to the end.
pub(crate) async fn by_ticket(
    conn: &mut Conn,
    cx: &Context,
    ticket: &Secret<String>,
) -> Result<Result<Redeemed, NotInvited>, StorageError> {
    let hash = TokenHash::of_str(ticket.expose());
    let Some((invitation, carrier)) = storage::invitations::by_ticket(conn, cx.env, &hash).await? else {
        return Ok(Err(NotInvited::Invalid));
    };
    Ok(match invitation.redeemable(cx.now) {
        Ok(()) => Ok(Redeemed { invitation, carrier }),
        Err(NotRedeemable::Over) => Err(NotInvited::Invalid),
        Err(NotRedeemable::Expired) => Err(NotInvited::Expired),
    })
}
