//! The event log: written inside each change, put in order afterwards.

use crate::{Engine, tenancy};
use domain::event::{Event, EventType};
use domain::settings::Settings;
use domain::user::Person;
use domain::{Context, EnvironmentId};
use storage::events::LoggedEvent;
use storage::{Error, Tx};

/// How many events get their position in one transaction.
const BATCH: usize = 500;

/// Gives committed events their positions, chains the audit log, and wakes whoever waits for events; says how many.
pub async fn sequence(engine: &Engine) -> Result<usize, Error> {
    let mut waiting = Vec::new();
    for env in storage::events::unsequenced(&mut *engine.read().await?, BATCH).await? {
        match tenancy::there(engine, env).await {
            Ok(Some(tenant)) => waiting.push((env, tenant.keys.audit_head.clone())),
            // Deleted: its log goes as well.
            Ok(None) => {}
            Err(error @ (Error::Unavailable(_) | Error::Closed)) => return Err(error),
            // The other environments wait for nothing of this one.
            Err(error) => {
                metrics::counter!("worker_faults_total", "round" => "sequence").increment(1);
                tracing::error!(
                    environment.id = %env,
                    error = &error as &dyn std::error::Error,
                    "the events of an environment are not put in order"
                );
            }
        }
    }
    if waiting.is_empty() {
        return Ok(0);
    }
    let given =
        engine.db().write(async move |tx: &mut Tx<'_>| storage::events::sequence(tx, &waiting, BATCH).await).await?;
    if given > 0 {
        engine.shared().sequenced.notify_waiters();
    }
    Ok(given)
}

/// The events of an environment after a position, in order.
pub async fn list(engine: &Engine, env: EnvironmentId, after: i64, limit: i64) -> Result<Vec<LoggedEvent>, Error> {
    storage::events::list(&mut *engine.read().await?, env, after, limit).await
}

/// Says that something happened to a person. The step of every change of one, under the person's lock.
pub(crate) async fn person(
    tx: &mut Tx<'_>,
    cx: &Context,
    what: EventType,
    person: &Person,
    settings: &Settings,
) -> Result<(), Error> {
    push(tx, cx, of_person(cx, what, person, settings)).await
}

/// What happened to a person, as an event.
pub(crate) fn of_person(cx: &Context, what: EventType, person: &Person, settings: &Settings) -> Event {
    let data = body(&api::User::for_bapi(person, settings, cx.now));
    Event::new(what, "user", person.user.id, data)
}

/// Says that something happened to a session.
pub(crate) async fn session(
    tx: &mut Tx<'_>,
    cx: &Context,
    what: EventType,
    session: &domain::session::Session,
    settings: &Settings,
) -> Result<(), Error> {
    let data = body(&api::Session::new(session, settings, cx.now));
    let event = Event::new(what, "session", session.id, data);
    // Whoever begins to act in a person's place stands beside that person from the first row on.
    let actor = session.actor.as_ref().filter(|_| what == EventType::SessionCreated && cx.impersonator.is_none());
    match actor.and_then(|actor| actor.get("sub")?.as_str()) {
        Some(sub) => push(tx, &Context { impersonator: Some(sub.to_owned()), ..cx.clone() }, event).await,
        None => push(tx, cx, event).await,
    }
}

/// Says that something happened to a phone number of a person.
pub(crate) async fn number(
    tx: &mut Tx<'_>,
    cx: &Context,
    what: EventType,
    number: &domain::user::PhoneNumber,
    is_primary: bool,
) -> Result<(), Error> {
    let data = body(&api::PhoneNumber::new(number, is_primary));
    push(tx, cx, Event::new(what, "phone_number", number.id, data)).await
}

/// Writes an event.
pub(crate) async fn push(tx: &mut Tx<'_>, cx: &Context, event: Event) -> Result<(), Error> {
    storage::events::push(tx, cx, &event).await.map(drop)
}

/// The JSON of a body of ours.
pub(crate) fn body<T: serde::Serialize>(body: &T) -> serde_json::Value {
    serde_json::to_value(body).expect("a body of ours has a JSON form")
}
