//! Sign-in by a ticket that a backend handed out, or by that of an invitation. The UPDATE that spends it stands in the transaction of the whole
//! call: of all who try at once one gets in, and whoever fails later leaves the ticket as it was.

use super::{Moved, SignInError, advance, invited};
use crate::invitations::{self, NotInvited, Redeemed};
use crate::sessions::{self, Begun};
use crate::tenancy::{self, Tenant};
use crate::{Engine, challenges};
use crypto::{Secret, TokenHash};
use domain::audit::Denial;
use domain::challenge::{Challenge, Parent, Step};
use domain::client::Client;
use domain::session::Factors;
use domain::sign_in::{FirstProof, SignIn};
use domain::strategy::Strategy;
use domain::ticket::{Ticket, TicketKind, TicketStatus};
use domain::user::Person;
use domain::{ChallengeId, ClientId, Context, SignInId};
use storage::Tx;

/// Begins a sign-in with a ticket: it says by itself who it is, so an open attempt gives way.
pub(super) async fn create(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    ticket: Secret<String>,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SignInError::NoClient)?;
            let shown = find(tx, cx, &ticket).await?;
            super::create::abandon_open(tx, cx, client.id).await?;
            let (ticket, person) = match shown {
                Shown::Token(ticket, person) => (ticket, *person),
                Shown::Invitation(by) => return invited::create(tx, cx, &tenant, &mut client, *by).await,
            };
            let mut sign_in = SignIn::begin(cx.id(), client.id, None, cx.now);
            storage::sign_ins::insert(tx, cx.env, &sign_in).await?;
            let about = (Parent::SignIn(sign_in.id), Step::First, Strategy::Ticket);
            let challenge = challenges::issue_plain(tx, cx, about).await?;
            redeem(tx, cx, &tenant, &mut client, &mut sign_in, challenge, ticket, person).await
        })
        .await
}

/// Answers a ticket challenge of a sign-in that waits for its first factor.
pub(super) async fn answer(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SignInId,
    challenge: ChallengeId,
    ticket: Secret<String>,
) -> Result<Moved, SignInError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let (mut client, mut sign_in) = super::hold(tx, cx, client, id).await?;
            let parent = Parent::SignIn(id);
            let mut challenge =
                storage::challenges::lock(tx, cx.env, &parent, challenge).await?.ok_or(SignInError::NoChallenge)?;
            if let Err(over) = challenge.answerable(cx.now) {
                return Ok(Err(SignInError::Wrong(over.into())));
            }
            super::awaits_first_factor(&sign_in, cx.now)?;
            let refused = match find(tx, cx, &ticket).await {
                Ok(Shown::Token(ticket, person)) => {
                    let moved = redeem(tx, cx, &tenant, &mut client, &mut sign_in, challenge, ticket, *person).await;
                    return moved.map(Ok);
                }
                Ok(Shown::Invitation(by)) => match invited::owner(tx, cx, &tenant.env, &by).await? {
                    Some(owner) => {
                        let moved = invited::prove(tx, cx, &tenant, &mut client, &mut sign_in, challenge, owner).await;
                        return moved.map(Ok);
                    }
                    // It proves nothing of anybody here.
                    None => SignInError::Ticket,
                },
                Err(SignInError::Storage(error)) => return Err(error.into()),
                Err(refused) => refused,
            };
            // A ceremony has one try; the transaction commits.
            challenge.count_attempt(cx.now);
            challenge.refuse(domain::code::TICKET_INVALID, cx.now);
            storage::challenges::save(tx, cx.env, &challenge).await?;
            Ok(Err(refused))
        })
        .await?
}

/// What a ticket is of.
enum Shown {
    /// A token of a backend, and its person, whose row is held.
    Token(Ticket, Box<Person>),
    /// An invitation.
    Invitation(Box<Redeemed>),
}

/// What a secret is the ticket of.
async fn find(tx: &mut Tx<'_>, cx: &Context, secret: &Secret<String>) -> Result<Shown, SignInError> {
    let hash = TokenHash::of_str(secret.expose());
    let found = storage::tickets::by_hash(tx, cx.env, &hash).await?;
    // Refused until it is right, for the audit log.
    let identity = match (&found, cx.actor.id()) {
        (Some(ticket), _) => format!("user:{}", ticket.user_id),
        (None, Some(client)) => format!("client:{client}"),
        (None, None) => format!("environment:{}", cx.env),
    };
    cx.attempts.begin(Denial::SignInFailed, &identity);
    let Some(ticket) = found else {
        let by = match invitations::by_ticket(tx, cx, secret).await? {
            Ok(by) => by,
            Err(NotInvited::Invalid) => return Err(SignInError::Ticket),
            Err(NotInvited::Expired) => return Err(SignInError::TicketExpired),
        };
        cx.attempts.end(Denial::SignInFailed, &identity);
        return Ok(Shown::Invitation(Box::new(by)));
    };
    match ticket.status_at(cx.now) {
        TicketStatus::Pending => {}
        TicketStatus::Expired => return Err(SignInError::TicketExpired),
        TicketStatus::Accepted | TicketStatus::Revoked => return Err(SignInError::Ticket),
    }
    let person = storage::users::lock(tx, cx.env, ticket.user_id).await?.ok_or(SignInError::Unknown)?;
    cx.attempts.end(Denial::SignInFailed, &identity);
    Ok(Shown::Token(ticket, Box::new(person)))
}

#[expect(clippy::too_many_arguments, reason = "rows that both ways in have held by now")]
async fn redeem(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_in: &mut SignIn,
    mut challenge: Challenge,
    ticket: Ticket,
    mut person: Person,
) -> Result<Moved, SignInError> {
    if !storage::tickets::take(tx, cx.env, &ticket.id(), cx.now).await? {
        return Err(SignInError::Ticket);
    }
    challenge.count_attempt(cx.now);
    challenge.verify(cx.now);
    storage::challenges::save(tx, cx.env, &challenge).await?;
    let env = &tenant.env;
    let begun = match &ticket.kind {
        TicketKind::SignIn(_) => {
            let proof = FirstProof { strategy: Strategy::Ticket, at: cx.now, number: None };
            advance::first(tx, cx, env, client, sign_in, &mut person, proof).await?
        }
        TicketKind::Actor { actor, session_max, .. } => {
            let acting = sessions::Acting { actor: actor.clone(), session_max: *session_max };
            Some(act(tx, cx, tenant, client, sign_in, &mut person, acting).await?)
        }
    };
    Ok(Moved { sign_in: sign_in.clone(), person: Some(person), challenge: Some(challenge), begun })
}

/// Begins a session in which an operator acts in the person's place. It asks for no factor of the person: a secret key
/// made the ticket, and the session is short, marked and shut out of everything sensitive.
async fn act(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    client: &mut Client,
    sign_in: &mut SignIn,
    person: &mut Person,
    acting: sessions::Acting,
) -> Result<Begun, SignInError> {
    advance::admit(cx, person)?;
    let factors = Factors::first(Strategy::Ticket, cx.now);
    let begun = sessions::begin_acting(tx, cx, &tenant.env.settings, client, person, factors, acting).await?;
    sign_in.complete(person.user.id, begun.session.id, cx.now);
    storage::sign_ins::save(tx, cx.env, sign_in).await?;
    Ok(begun)
}
