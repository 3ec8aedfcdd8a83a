//! Invitations to the application: made one by one or in batches, listed, taken back, and accepted once.

mod tickets;

pub(crate) use tickets::{NotInvited, Redeemed, by_ticket};

use crate::mail::{self, Invite, Letter, To};
use crate::people::{self, TestRefused};
use crate::refusals::stored;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError, events, idempotency, redirects};
use domain::environment::Environment;
use domain::event::{Event, EventType};
use domain::invitation::{AlreadyAccepted, Carrier, Invitation, InvitationStatus};
use domain::page::{Page, PageRequest};
use domain::text::{Metadata, merge_metadata, metadata_fits};
use domain::user::{EmailAddress, Person};
use domain::{Context, Email, InvitationId, Kind, Refusal, UserId, Verdict, code};
use std::collections::HashSet;
use std::time::Duration;
use storage::Tx;
use storage::invitations::{Filter, Key};

/// Why an address is not invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// Somebody has it, and that was not to be ignored.
    #[error("somebody has the address")]
    Existing,
    /// An invitation of it waits already.
    #[error("an invitation of the address waits")]
    Pending,
    /// The page to land on is not allowed.
    #[error("the redirect target is not allowed")]
    Redirect,
    /// A test address, where those are refused.
    #[error(transparent)]
    Test(#[from] TestRefused),
}

/// Why invitations are not made, changed or found.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// There is none.
    #[error("there is no such invitation")]
    NotFound,
    /// Somebody cannot be invited.
    #[error("an address cannot be invited")]
    Unwelcome {
        /// Why.
        why: Unwelcome,
        /// Which row of a batch it is.
        index: Option<usize>,
    },
    /// It was accepted.
    #[error(transparent)]
    Accepted(#[from] AlreadyAccepted),
    /// The database failed.
    #[error("the invitation cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(InvitationError);

impl Refusal for InvitationError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::INVITATION_NOT_FOUND),
            Self::Unwelcome { why, index } => {
                let verdict = why.verdict();
                index.map_or(verdict.clone(), |index| verdict.with("index", index))
            }
            Self::Accepted(_) => Kind::Conflict.code(code::INVITATION_ALREADY_ACCEPTED),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

impl Unwelcome {
    fn verdict(self) -> Verdict {
        match self {
            Self::Existing => Kind::Invalid.code(code::INVITATION_FOR_EXISTING_USER).param("email_address"),
            Self::Pending => Kind::Taken.code(code::IDENTIFIER_EXISTS).param("email_address"),
            Self::Redirect => Kind::Invalid.code(code::REDIRECT_URL_NOT_ALLOWED).param("redirect_url"),
            Self::Test(_) => Kind::Invalid.code(code::TEST_IDENTIFIER_FORBIDDEN).param("email_address"),
        }
    }
}

/// An invitation to make.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Who is invited.
    pub email: Email,
    /// Where the link leads in the end.
    pub redirect_url: Option<String>,
    /// What the person gets along.
    pub public_metadata: Metadata,
    /// Whether a mail goes out.
    pub notify: bool,
    /// How long it may be followed; none is for ever.
    pub lifetime: Option<Duration>,
    /// Invites somebody who has an account, too.
    pub ignore_existing: bool,
}

/// Invites somebody.
pub async fn create(engine: &Engine, cx: &Context, new: NewInvitation) -> Result<api::Invitation, InvitationError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let made = make(tx, cx, &tenant, std::slice::from_ref(&new)).await;
            let body = made.map_err(alone)?.pop().expect("one is asked for, and one is made");
            // Sealed: the link carries a ticket, and tickets are stored nowhere.
            idempotency::keep_sealed(tx, cx, &tenant.keys, 201, &body, body.id.to_string()).await?;
            Ok(body)
        })
        .await
}

/// A problem of a request that has no rows.
fn alone(error: InvitationError) -> InvitationError {
    match error {
        InvitationError::Unwelcome { why, .. } => InvitationError::Unwelcome { why, index: None },
        other => other,
    }
}

/// Invites several at once: all of them, or none when one cannot be invited.
pub async fn create_all(
    engine: &Engine,
    cx: &Context,
    new: Vec<NewInvitation>,
) -> Result<api::InvitationBatch, InvitationError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let body = api::InvitationBatch::from(make(tx, cx, &tenant, &new).await?);
            // Of no single row: taking one of them back does not make the batch anew.
            idempotency::keep_sealed(tx, cx, &tenant.keys, 201, &body, cx.request_id.to_string()).await?;
            Ok(body)
        })
        .await
}

async fn make(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    wanted: &[NewInvitation],
) -> Result<Vec<api::Invitation>, InvitationError> {
    // Lists show the newest first: the rows of a batch stand there in their order.
    let mut ids: Vec<InvitationId> = wanted.iter().map(|_| cx.id()).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let (mut seen, mut made) = (HashSet::new(), Vec::with_capacity(wanted.len()));
    for (index, (new, id)) in wanted.iter().zip(ids).enumerate() {
        let ready = one(tx, cx, tenant, id, new).await?;
        let ready = ready.and_then(|one| match seen.insert(one.invitation.canonical.clone()) {
            true => Ok(one),
            false => Err(Unwelcome::Pending),
        });
        made.push(ready.map_err(|why| InvitationError::Unwelcome { why, index: Some(index) })?);
    }
    // By address: two batches that share some never wait for each other in a circle.
    let mut order: Vec<usize> = (0..made.len()).collect();
    order.sort_unstable_by(|a, b| made[*a].invitation.canonical.cmp(&made[*b].invitation.canonical));
    for index in order {
        let invitation = &made[index].invitation;
        let notified = made[index].mails && made[index].carrier() == Carrier::Mail;
        let hashes = tickets::hashes(tenant, invitation, notified);
        match storage::invitations::insert(tx, cx.env, invitation, &hashes).await {
            Err(error) if storage::invitations::is_pending(&error) => {
                return Err(InvitationError::Unwelcome { why: Unwelcome::Pending, index: Some(index) });
            }
            inserted => inserted?,
        }
    }
    let mut bodies = Vec::with_capacity(made.len());
    for ready in made {
        let carrier = ready.carrier();
        let Ready { invitation, holder, mails, is_test } = ready;
        let cx = &Context { was_test: is_test, ..cx.clone() };
        tell(tx, cx, &tenant.env, EventType::InvitationCreated, &invitation).await?;
        if mails {
            // To the owner as stored: another spelling of it may be another mailbox.
            let to = holder.as_ref().map_or(To::Email(&invitation.email), To::Address);
            mail::enqueue(tx, cx, tenant, letter(tenant, &invitation, carrier), to).await?;
        }
        bodies.push(shown(tenant, &invitation, cx));
    }
    Ok(bodies)
}

/// An invitation that can be made.
struct Ready {
    invitation: Invitation,
    holder: Option<EmailAddress>,
    mails: bool,
    is_test: bool,
}

impl Ready {
    /// What a mail carries. To another spelling than the invited one it proves nothing of that: it asks for a code.
    fn carrier(&self) -> Carrier {
        match &self.holder {
            Some(holder) if holder.email != self.invitation.email => Carrier::Link,
            _ => Carrier::Mail,
        }
    }
}

async fn one(
    tx: &mut Tx<'_>,
    cx: &Context,
    tenant: &Tenant,
    id: InvitationId,
    new: &NewInvitation,
) -> Result<Result<Ready, Unwelcome>, StorageError> {
    let env = &tenant.env;
    let is_test = match people::test_mode(&env.settings, env.kind, new.email.is_test()) {
        Ok(is_test) => is_test,
        Err(refused) => return Ok(Err(refused.into())),
    };
    let redirect_url = match new.redirect_url.as_deref() {
        Some(text) => match redirects::check(tx, env, text).await? {
            Some(target) => Some(target),
            None => return Ok(Err(Unwelcome::Redirect)),
        },
        None => None,
    };
    let canonical = env.settings.canonical(&new.email);
    storage::invitations::stamp_expired_of(tx, cx.env, &canonical, cx.now).await?;
    if storage::invitations::waits(tx, cx.env, &canonical).await? {
        return Ok(Err(Unwelcome::Pending));
    }
    let holder = people::holder(tx, env, &new.email).await?;
    if holder.is_some() && !new.ignore_existing {
        return Ok(Err(Unwelcome::Existing));
    }
    let invitation = Invitation {
        id,
        email: new.email.clone(),
        canonical,
        redirect_url,
        public_metadata: new.public_metadata.clone(),
        status: InvitationStatus::Pending,
        for_existing: holder.is_some(),
        generation: 1,
        expires_at: new.lifetime.map(|lifetime| cx.now + lifetime),
        created_at: cx.now,
        updated_at: cx.now,
    };
    Ok(Ok(Ready { invitation, holder, mails: new.notify && !is_test, is_test }))
}

fn letter(tenant: &Tenant, invitation: &Invitation, carrier: Carrier) -> Letter {
    Letter::Invitation(Invite {
        action_url: tickets::link(tenant, invitation, carrier),
        inviter: None,
        organization: None,
        role: None,
        expires_at: invitation.expires_at,
    })
}

/// An invitation with its link, for the backend alone.
fn shown(tenant: &Tenant, invitation: &Invitation, cx: &Context) -> api::Invitation {
    let url = tickets::link(tenant, invitation, Carrier::Link);
    api::Invitation::new(invitation, url.expose().clone(), cx.now)
}

/// Says that something happened to an invitation; the link in it has no ticket.
async fn tell(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    what: EventType,
    invitation: &Invitation,
) -> Result<(), StorageError> {
    let url = env.ticket_link(None, invitation.leads_to(), invitation.redirect_url.as_deref());
    let data = events::body(&api::Invitation::new(invitation, url, cx.now));
    events::push(tx, cx, Event::new(what, "invitation", invitation.id, data)).await
}

/// One page of the invitations that match.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    filter: Filter,
    request: PageRequest<Key>,
) -> Result<Page<api::Invitation>, StorageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let (env, now, counted) = (cx.env, cx.now, filter.clone());
    let total = engine.scan(async move |conn| storage::invitations::count(conn, env, &counted, now).await).await?;
    let mut page = if filter.is_empty() {
        storage::invitations::page(&mut *engine.read().await?, env, &filter, &request, now).await?
    } else {
        engine.scan(async move |conn| storage::invitations::page(conn, env, &filter, &request, now).await).await?
    };
    page.total = total;
    Ok(page.map(|invitation| shown(&tenant, &invitation, cx)))
}

/// Takes an invitation back: its tickets open nothing any more. One that was taken back stays so.
pub async fn revoke(engine: &Engine, cx: &Context, id: InvitationId) -> Result<api::Invitation, InvitationError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let found = storage::invitations::lock(tx, cx.env, id).await?;
            let mut invitation = found.ok_or(InvitationError::NotFound)?;
            if invitation.revoke(cx.now)? {
                storage::invitations::save(tx, cx.env, &invitation).await?;
                idempotency::forget(tx, cx, &id.to_string()).await?;
                tell(tx, cx, &tenant.env, EventType::InvitationRevoked, &invitation).await?;
            }
            Ok(shown(&tenant, &invitation, cx))
        })
        .await
}

/// Spends an invitation for a person who exists. Of all who try at once, one hears `true`.
pub(crate) async fn accept(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    id: InvitationId,
    user: UserId,
) -> Result<bool, StorageError> {
    if !storage::invitations::take(tx, cx.env, id, user, cx.now).await? {
        return Ok(false);
    }
    let accepted = storage::invitations::find(tx, cx.env, id).await?;
    let accepted = accepted.ok_or_else(|| storage::fault("an invitation that was spent is gone"))?;
    tell(tx, cx, env, EventType::InvitationAccepted, &accepted).await?;
    Ok(true)
}

/// Gives a person what an invitation brings along, over what they have under the same keys. Says whether anything
/// changed: what does not fit beside the rest is left out.
pub(crate) fn bring_along(person: &mut Person, brought: &Metadata) -> bool {
    let mut merged = person.user.public_metadata.clone();
    merge_metadata(&mut merged, brought.clone());
    let changes = merged != person.user.public_metadata && metadata_fits(&merged);
    if changes {
        person.user.public_metadata = merged;
    }
    changes
}

/// Spends an invitation for a person who signs in and whose proven address is the one that was invited; one that is
/// over, or another's, changes nothing. The person's row is held.
pub(crate) async fn accept_by_owner(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    id: InvitationId,
    person: &mut Person,
) -> Result<bool, StorageError> {
    let Some(invitation) = storage::invitations::find(tx, cx.env, id).await? else { return Ok(false) };
    let owns = person.email_addresses.iter().any(|a| a.verified && a.email == invitation.email);
    if !owns || !accept(tx, cx, env, id, person.user.id).await? {
        return Ok(false);
    }
    if bring_along(person, &invitation.public_metadata) {
        people::save(tx, cx, &env.settings, person).await?;
    }
    Ok(true)
}
