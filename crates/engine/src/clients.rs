//! Browsers and devices: made when first needed, shown with everything on them, ended as a whole.

use crate::callers::DeviceCookie;
use crate::refusals::stored;
use crate::{Engine, StorageError, sessions};
use crypto::{Secret, TokenHash};
use domain::client::Client;
use domain::environment::Environment;
use domain::session::{Ending, Session};
use domain::user::Person;
use domain::{ClientId, Context, Kind, Refusal, Timestamp, Verdict, code};
use std::collections::HashMap;
use std::time::Duration;
use storage::{Conn, Tx};

/// How long a session that was signed out stays in sight.
const JUST_ENDED: Duration = Duration::from_secs(60);

/// Why a client cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is none.
    #[error("there is no such client")]
    NotFound,
    /// The database failed.
    #[error("the client cannot be changed")]
    Storage(#[from] StorageError),
}
stored!(ClientError);

impl Refusal for ClientError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound => Kind::Unauthenticated.code(code::CLIENT_NOT_FOUND),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Makes a client; the cookie holds its only secret.
pub async fn create(engine: &Engine, cx: &Context) -> Result<(Client, DeviceCookie), StorageError> {
    let secret = crypto::random::token();
    let client = Client {
        id: cx.id(),
        secret_hash: TokenHash::of_str(secret.expose()),
        previous: None,
        last_active_session_id: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    let row = client.clone();
    engine.write(cx, async move |tx, cx| storage::clients::insert(tx, cx.env, &row).await).await?;
    Ok((client.clone(), DeviceCookie { client_id: client.id, secret }))
}

/// A client that is shown and not kept: nobody is signed in on it.
pub fn nothing(cx: &Context, env: &Environment) -> api::Client {
    let client = Client {
        id: cx.id(),
        secret_hash: TokenHash::of_str(crypto::random::token().expose()),
        previous: None,
        last_active_session_id: None,
        created_at: cx.now,
        updated_at: cx.now,
    };
    api::Client::new(&client, &[], api::Attempts { sign_in: None, sign_up: None }, &env.settings, cx.now)
}

/// Ends every live session of a client.
pub async fn destroy(engine: &Engine, cx: &Context, env: &Environment, id: ClientId) -> Result<(), ClientError> {
    let settings = env.settings.clone();
    engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, id).await?.ok_or(ClientError::NotFound)?;
            for mut session in storage::sessions::lock_live_of_client(tx, cx.env, id).await? {
                // Whoever throws the whole client away signs out.
                sessions::finish(tx, cx, &settings, &mut session, Ending::Ended).await?;
            }
            client.last_active_session_id = None;
            // The cookie that was just thrown away opens nothing any more.
            client.secret_hash = TokenHash::of_str(crypto::random::token().expose());
            client.previous = None;
            client.updated_at = cx.now;
            Ok(storage::clients::save(tx, cx.env, &client).await?)
        })
        .await
}

/// A client as the browser sees it: live sessions, those that just ended, and the attempts in progress.
pub async fn show(engine: &Engine, cx: &Context, env: &Environment, id: ClientId) -> Result<api::Client, ClientError> {
    let mut conn = engine.read().await?;
    let client = storage::clients::find(&mut conn, cx.env, id).await?.ok_or(ClientError::NotFound)?;
    Ok(snapshot(&mut conn, cx.now, env, &client).await?)
}

/// The same for the browser that asks what it is: where one session is allowed, the others give way to the one
/// used last. That was several when they began, and the rule was changed since.
pub async fn visit(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: Client,
) -> Result<api::Client, ClientError> {
    if env.settings.sessions.multi_session {
        return Ok(show_known(engine, cx, env, &client).await?);
    }
    let live = storage::sessions::of_client(&mut *engine.read().await?, cx.env, client.id, cx.now).await?;
    if live.iter().filter(|s| s.status_at(cx.now, &env.settings.sessions).is_live()).count() < 2 {
        return Ok(show_known(engine, cx, env, &client).await?);
    }
    let (id, settings) = (client.id, env.settings.clone());
    let client = engine
        .write(cx, async move |tx, cx| {
            let mut client = storage::clients::lock(tx, cx.env, id).await?.ok_or(ClientError::NotFound)?;
            let mut live = storage::sessions::lock_live_of_client(tx, cx.env, id).await?;
            live.retain(|s| s.status_at(cx.now, &settings.sessions).is_live());
            let last = live.iter().find(|s| Some(s.id) == client.last_active_session_id).or(live.first()).map(|s| s.id);
            for mut session in live {
                if Some(session.id) != last {
                    sessions::finish(tx, cx, &settings, &mut session, Ending::Replaced).await?;
                }
            }
            if client.last_active_session_id != last {
                client.last_active_session_id = last;
                client.updated_at = cx.now;
                storage::clients::save(tx, cx.env, &client).await?;
            }
            Ok::<_, ClientError>(client)
        })
        .await?;
    Ok(show_known(engine, cx, env, &client).await?)
}

/// The same, from a client that was read already.
pub async fn show_known(
    engine: &Engine,
    cx: &Context,
    env: &Environment,
    client: &Client,
) -> Result<api::Client, StorageError> {
    snapshot(&mut *engine.read().await?, cx.now, env, client).await
}

async fn snapshot(
    conn: &mut Conn,
    now: Timestamp,
    env: &Environment,
    client: &Client,
) -> Result<api::Client, StorageError> {
    let settings = &env.settings;
    let recent = storage::sessions::of_client(conn, env.id, client.id, now - JUST_ENDED).await?;
    let shown: Vec<Session> = recent
        .into_iter()
        .filter(|s| {
            let status = s.status_at(now, &settings.sessions);
            status.is_live() || (status == domain::session::SessionStatus::Ended && s.status == status)
        })
        .collect();
    let mut ids: Vec<_> = shown.iter().map(|s| s.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let people: HashMap<_, Person> =
        storage::users::by_ids(conn, env.id, &ids).await?.into_iter().map(|p| (p.user.id, p)).collect();
    let rows: Vec<(Session, Person)> =
        shown.into_iter().filter_map(|s| people.get(&s.user_id).cloned().map(|p| (s, p))).collect();
    let mut client = client.clone();
    let live = |id| rows.iter().any(|(s, _)| s.id == id && s.status_at(now, &settings.sessions).is_live());
    if !client.last_active_session_id.is_some_and(live) {
        client.last_active_session_id =
            rows.iter().find(|(s, _)| s.status_at(now, &settings.sessions).is_live()).map(|(s, _)| s.id);
    }
    let sign_in = storage::sign_ins::newest(conn, env.id, client.id).await?;
    let sign_up = storage::sign_ups::newest(conn, env.id, client.id).await?;
    let person = match &sign_in {
        Some(sign_in) if !sign_in.status_at(now).is_terminal() => crate::sign_in::person_of(conn, env, sign_in).await?,
        _ => None,
    };
    let attempts = api::Attempts { sign_in: sign_in.as_ref().map(|s| (s, person.as_ref())), sign_up: sign_up.as_ref() };
    Ok(api::Client::new(&client, &rows, attempts, settings, now))
}

/// Gives a client a new secret after a privilege change, and its session its place. The step of every
/// completed sign-in and sign-up.
pub(crate) async fn promote(
    tx: &mut Tx<'_>,
    cx: &Context,
    client: &mut Client,
    session: &Session,
) -> Result<Secret<String>, StorageError> {
    let secret = crypto::random::token();
    client.change_secret(secret.expose(), cx.now);
    client.last_active_session_id = Some(session.id);
    storage::clients::save(tx, cx.env, client).await?;
    Ok(secret)
}

/// Moves the pointer of a client away from a session that is over.
pub(crate) async fn fall_back(
    tx: &mut Tx<'_>,
    cx: &Context,
    env: &Environment,
    client: &mut Client,
) -> Result<(), StorageError> {
    let live = storage::sessions::lock_live_of_client(tx, cx.env, client.id).await?;
    let next = live.iter().find(|s| s.status_at(cx.now, &env.settings.sessions).is_live()).map(|s| s.id);
    if client.last_active_session_id != next {
        client.last_active_session_id = next;
        client.updated_at = cx.now;
        storage::clients::save(tx, cx.env, client).await?;
    }
    Ok(())
}
