//! Sign-up by the ticket of an invitation. The invitation names the address; only the ticket that was mailed proves it.

use super::{Fields, Moved, SignUpError, abandon, apply, stage};
use crate::invitations::{self, NotInvited, Redeemed};
use crate::{Engine, tenancy};
use crypto::Secret;
use domain::invitation::Carrier;
use domain::sign_up::SignUp;
use domain::{ClientId, Context, Kind, Problem, SignUpId, code};
use storage::Conn;

/// The invitation that a ticket belongs to, while it waits.
async fn invited(conn: &mut Conn, cx: &Context, ticket: &Secret<String>) -> Result<Redeemed, SignUpError> {
    invitations::by_ticket(conn, cx, ticket).await?.map_err(|refused| match refused {
        NotInvited::Invalid => SignUpError::Ticket,
        NotInvited::Expired => SignUpError::TicketExpired,
    })
}

/// A sign-up that the invitation vouches for.
fn begin(cx: &Context, id: SignUpId, client: ClientId, by: &Redeemed) -> SignUp {
    let mut sign_up = SignUp::begin(id, client, cx.now);
    sign_up.stage_email(by.invitation.email.clone());
    sign_up.invitation_id = Some(by.invitation.id);
    if by.carrier == Carrier::Mail {
        sign_up.email_verified = true;
        sign_up.proven_at = Some(cx.now);
    }
    sign_up
}

/// Begins a sign-up with a ticket: it says by itself whose it is, so an open attempt gives way. Nothing is spent before
/// the person is made.
pub(super) async fn create(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    ticket: Secret<String>,
    mut fields: Fields,
) -> Result<Moved, SignUpError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let by = invited(&mut *engine.read().await?, cx, &ticket).await?;
    if fields.email_address.as_ref().is_some_and(|said| *said != by.invitation.email) {
        // The invitation is for nobody else.
        let problem = Problem::of_param(Kind::Invalid, code::PARAM_VALUE_INVALID, "email_address");
        return Err(SignUpError::Fields(vec![problem]));
    }
    fields.email_address = Some(by.invitation.email.clone());
    let first = begin(cx, cx.id(), client, &by);
    let (staged, is_test) = stage(engine, &tenant.env, fields, Some(&first)).await?;
    let cx = &Context { was_test: is_test, ..cx.clone() };
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignUpError::NoClient)?;
            // Asked again: of fifty who come at once, those who come later find it spent.
            let by = invited(tx, cx, &ticket).await?;
            let newest = storage::sign_ups::newest(tx, cx.env, client.id).await?;
            if let Some(open) = newest.filter(|s| s.open(cx.now).is_ok()) {
                abandon(tx, cx, open).await?;
            }
            if tenant.env.settings.require_legal_accepted && staged.legal_accepted != Some(true) {
                return Err(SignUpError::Legal);
            }
            let mut sign_up = begin(cx, first.id, client.id, &by);
            sign_up.was_test = is_test;
            storage::sign_ups::insert(tx, cx.env, &sign_up).await?;
            let begun = apply(tx, cx, &tenant, &mut client, &mut sign_up, &staged).await?;
            Ok(Moved { sign_up, challenge: None, begun })
        })
        .await
}
