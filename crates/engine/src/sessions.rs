//! Sessions: begun by a proof, used, and brought to their end at once.

use crate::refusals::stored;
use crate::{Engine, StorageError, clients, events, idempotency};
use crypto::Secret;
use domain::client::Client;
use domain::environment::Environment;
use domain::event::EventType;
use domain::page::{Page, PageRequest};
use domain::session::{Activity, Ending, Factors, Proof, Session, SessionStatus};
use domain::settings::Settings;
use domain::user::Person;
use domain::{ClientId, Context, Kind, Refusal, SessionId, Timestamp, UserId, Verdict, code};
use serde_json::{Map, Value};
use std::time::Duration;
use storage::Tx;
use storage::sessions::{Filter, Key};

/// Why a session cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is none, or it is another's.
    #[error("there is no such session")]
    NotFound,
    /// It is over.
    #[error("the session is over")]
    NotLive,
    /// The client is gone.
    #[error("there is no such client")]
    NoClient,
    /// Organizations do not exist here.
    #[error("the person is not a member of this organization")]
    NotAMember,
    /// It waits for its second factor.
    #[error("the session waits for a second factor")]
    Pending,
    /// The database failed.
    #[error("the session cannot be read or changed")]
    Storage(#[from] StorageError),
}
stored!(SessionError);

impl Refusal for SessionError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::NotFound.code(code::SESSION_NOT_FOUND),
            Self::NotLive => Kind::NotLive.code(code::SESSION_NOT_LIVE),
            Self::NoClient => Kind::Unauthenticated.code(code::CLIENT_NOT_FOUND),
            Self::NotAMember => Kind::Forbidden.code(code::NOT_A_MEMBER),
            Self::Pending => Kind::Forbidden.code(code::SESSION_PENDING),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// What a completed sign-in or sign-up leaves the browser with.
pub struct Begun {
    /// The session.
    pub session: Session,
    /// The client's new secret.
    pub client_secret: Secret<String>,
}

/// Begins a session on a client whose row is held, for a person whose row is held. The step every proof ends in. Where
/// a second factor is required and none was proven, the session is pending.
pub(crate) async fn begin(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    client: &mut Client,
    person: &mut Person,
    factors: Factors,
) -> Result<Begun, StorageError> {
    make_room(tx, cx, settings, client.id, person.user.id).await?;
    let begun = insert(tx, cx, settings, client, person, factors, None).await?;
    person.user.last_sign_in_at = Some(cx.now);
    person.user.last_active_at = Some(cx.now);
    storage::users::save(tx, cx.env, person).await?;
    Ok(begun)
}

/// Who acts in a person's place, and for how long.
pub(crate) struct Acting {
    /// The claim `act`.
    pub(crate) actor: Map<String, Value>,
    /// How long the session lives at most.
    pub(crate) session_max: Duration,
}

/// Begins a session in which an operator acts in a person's place: no session of the person's gives way to it, and
/// nothing of the person changes.
pub(crate) async fn begin_acting(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    client: &mut Client,
    person: &Person,
    factors: Factors,
    acting: Acting,
) -> Result<Begun, StorageError> {
    insert(tx, cx, settings, client, person, factors, Some(acting)).await
}

async fn insert(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    client: &mut Client,
    person: &Person,
    factors: Factors,
    acting: Option<Acting>,
) -> Result<Begun, StorageError> {
    let longest = Duration::from_secs(settings.sessions.lifetime_seconds);
    let expire_at = cx.now + acting.as_ref().map_or(longest, |acting| longest.min(acting.session_max));
    // Whoever acts in the person's place has no factor of theirs to prove: a secret key made that ticket.
    let waits = settings.multi_factor.required && factors.second_at.is_none() && acting.is_none();
    let mut session = Session {
        id: cx.id(),
        client_id: client.id,
        user_id: person.user.id,
        status: SessionStatus::Active,
        ended_at: None,
        last_active_at: cx.now,
        expire_at,
        abandon_at: expire_at,
        factors,
        was_test: cx.was_test,
        activity: Activity::seen(cx.id(), cx.ip, cx.user_agent.as_deref()),
        actor: acting.map(|acting| acting.actor),
        created_at: cx.now,
        updated_at: cx.now,
    };
    if waits {
        session.await_second_factor();
    }
    storage::sessions::insert(tx, cx.env, &session).await?;
    let client_secret = clients::promote(tx, cx, client, &session).await?;
    let what = if waits { EventType::SessionPending } else { EventType::SessionCreated };
    events::session(tx, cx, what, &session, settings).await?;
    Ok(Begun { session, client_secret })
}

/// Notes on a session whose row is held that a factor was proven now. By a second one a session that waited for it
/// becomes active: the only way there.
pub(crate) async fn prove(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    session: &mut Session,
    proof: Proof,
) -> Result<(), StorageError> {
    let waited = session.status == SessionStatus::Pending;
    session.prove(proof, cx.now);
    storage::sessions::save(tx, cx.env, session).await?;
    if waited && session.status == SessionStatus::Active {
        events::session(tx, cx, EventType::SessionCreated, session, settings).await?;
    }
    Ok(())
}

/// Lets older sessions give way: all others where one is allowed, the same person's on this client, the
/// oldest over the cap.
async fn make_room(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    client: ClientId,
    user: UserId,
) -> Result<(), StorageError> {
    let on_client = storage::sessions::lock_live_of_client(tx, cx.env, client).await?;
    let cap = usize::try_from(settings.sessions.max_concurrent_sessions_per_client).unwrap_or(10);
    let mut stay = 0;
    let mut leave = Vec::new();
    for session in on_client {
        // Newest activity first: what is past the cap is the oldest; one place is for the newcomer.
        if !settings.sessions.multi_session || session.user_id == user || stay + 1 >= cap.max(1) {
            leave.push(session);
        } else {
            stay += 1;
        }
    }
    if !settings.sessions.multi_session {
        leave.extend(
            storage::sessions::lock_live_of_user(tx, cx.env, user).await?.into_iter().filter(|s| s.client_id != client),
        );
    }
    for mut session in leave {
        finish(tx, cx, settings, &mut session, Ending::Replaced).await?;
    }
    Ok(())
}

/// Brings a session to its end whose row is held; nothing happens to one that is over.
pub(crate) async fn finish(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    session: &mut Session,
    how: Ending,
) -> Result<bool, StorageError> {
    if session.finish(how, cx.now, &settings.sessions).is_err() {
        return Ok(false);
    }
    storage::sessions::save(tx, cx.env, session).await?;
    let what = match how {
        Ending::Ended => EventType::SessionEnded,
        // From outside, a session that gave way is one that left the client.
        Ending::Removed | Ending::Replaced => EventType::SessionRemoved,
        Ending::Revoked => EventType::SessionRevoked,
    };
    events::session(tx, cx, what, session, settings).await?;
    Ok(true)
}

/// Takes all live sessions of a person away, but one. The person's row is held.
pub(crate) async fn revoke_all(
    tx: &mut Tx<'_>,
    cx: &Context,
    settings: &Settings,
    user: UserId,
    but: Option<SessionId>,
) -> Result<(), StorageError> {
    for mut session in storage::sessions::lock_live_of_user(tx, cx.env, user).await? {
        if Some(session.id) != but {
            finish(tx, cx, settings, &mut session, Ending::Revoked).await?;
        }
    }
    Ok(())
}

/// Finds a session, on any client.
pub async fn find(engine: &Engine, cx: &Context, id: SessionId) -> Result<Session, SessionError> {
    storage::sessions::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(SessionError::NotFound)
}

/// Finds a session of a client, in any state.
pub async fn on_client(
    engine: &Engine,
    cx: &Context,
    client: ClientId,
    id: SessionId,
) -> Result<Session, SessionError> {
    let session = find(engine, cx, id).await?;
    if session.client_id == client { Ok(session) } else { Err(SessionError::NotFound) }
}

/// Refuses to choose an organization in a session that waits for its second factor.
pub fn may_choose_organization(session: &Session, env: &Environment, now: Timestamp) -> Result<(), SessionError> {
    match session.status_at(now, &env.settings.sessions) {
        SessionStatus::Pending => Err(SessionError::Pending),
        _ => Ok(()),
    }
}

/// The live sessions of a person on every client, newest activity first.
pub async fn of_user(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    user: UserId,
) -> Result<Vec<Session>, StorageError> {
    let sessions = storage::sessions::live_of_user(&mut *engine.read().await?, cx.env, user).await?;
    Ok(sessions.into_iter().filter(|s| s.status_at(cx.now, &env.settings.sessions).is_live()).collect())
}

/// Signs out of a session, or takes it off the device. One that is over stays as it was.
pub async fn leave(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SessionId,
    how: Ending,
) -> Result<Session, SessionError> {
    let env = env.clone();
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SessionError::NoClient)?;
            let session = storage::sessions::lock(tx, cx.env, id).await?;
            let mut session = session.filter(|s| s.client_id == client.id).ok_or(SessionError::NotFound)?;
            if finish(tx, cx, &env.settings, &mut session, how).await? {
                clients::fall_back(tx, cx, &env, &mut client).await?;
            }
            Ok(session)
        })
        .await
}

/// Makes a session the one used last.
pub async fn touch(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: ClientId,
    id: SessionId,
) -> Result<Session, SessionError> {
    let settings = env.settings.clone();
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, client).await?.ok_or(SessionError::NoClient)?;
            let known = storage::sessions::find(tx, cx.env, id).await?;
            let known = known.filter(|s| s.client_id == client.id).ok_or(SessionError::NotFound)?;
            if cx.now >= known.last_active_at + Duration::from_secs(60) {
                // The person before the session, in the order every operation takes them.
                storage::users::touch(tx, cx.env, known.user_id, cx.now).await?;
            }
            let session = storage::sessions::lock(tx, cx.env, id).await?;
            let mut session = session.filter(|s| s.client_id == client.id).ok_or(SessionError::NotFound)?;
            if !session.status_at(cx.now, &settings.sessions).is_live() {
                return Err(SessionError::NotLive);
            }
            if client.last_active_session_id != Some(session.id) {
                client.last_active_session_id = Some(session.id);
                client.updated_at = cx.now;
                storage::clients::save(tx, cx.env, &client).await?;
            }
            // At most one write a minute, whatever the page does.
            if cx.now >= session.last_active_at + Duration::from_secs(60) {
                session.last_active_at = cx.now;
                session.updated_at = cx.now;
                session.activity = Activity::seen(cx.id(), cx.ip, cx.user_agent.as_deref());
                storage::sessions::save(tx, cx.env, &session).await?;
                events::session(tx, cx, EventType::SessionTouched, &session, &settings).await?;
            }
            Ok(session)
        })
        .await
}

/// Takes a session away on a backend's word; the event is written when it was live.
pub async fn revoke(engine: &Engine, cx: &Context, env: &Environment, id: SessionId) -> Result<Session, SessionError> {
    let settings = env.settings.clone();
    engine
        .write(cx, async move |tx, cx| {
            let mut session = storage::sessions::lock(tx, cx.env, id).await?.ok_or(SessionError::NotFound)?;
            finish(tx, cx, &settings, &mut session, Ending::Revoked).await?;
            idempotency::keep(tx, cx, 200, &api::Session::new(&session, &settings, cx.now), None).await?;
            Ok(session)
        })
        .await
}

/// One page of the environment's sessions.
pub async fn list(
    engine: &Engine,
    cx: &Context,
    filter: Filter,
    request: PageRequest<Key>,
) -> Result<Page<Session>, StorageError> {
    let (env, now) = (cx.env, cx.now);
    let counted = filter.clone();
    let total = engine.scan(async move |conn| storage::sessions::count(conn, env, &counted, now).await).await?;
    let mut page = storage::sessions::page(&mut *engine.read().await?, env, &filter, &request, now).await?;
    page.total = total;
    Ok(page)
}
