//! Reading the event log from outside: the events after a cursor, as soon as there are any.
//!
//! Whoever waits holds neither a connection nor a thread: it is woken when this process has put events in order, and
//! looks four times a second for what another one did.

use crate::refusals::stored;
use crate::{Engine, StorageError, cursor, tenancy};
use domain::environment::Environment;
use domain::event::LoggedEvent;
use domain::event_pattern::EventPattern;
use domain::{Context, EnvironmentId, EventId, Kind, Refusal, Verdict, code};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use storage::events::{self, Wanted};
use tokio::time::Instant;

/// What cursors of the event log are bound to, beside the environment: no filter, so that one goes on with any.
const BINDING: &str = "events";

/// How often whoever waits looks for what another process did.
const LOOK: Duration = Duration::from_millis(250);

/// How many places a search by type goes through at once, and how often in one request.
const WINDOW: i64 = 5_000;
const WINDOWS: usize = 10;

/// From where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// All that is kept.
    Start,
    /// What happens from now on.
    Latest,
    /// After a cursor of ours.
    Cursor(String),
}

/// What is asked of the log.
#[derive(Debug, Clone)]
pub struct Request {
    /// From where on.
    pub after: After,
    /// Which names; all when there is none.
    pub types: Vec<EventPattern>,
    /// About which thing.
    pub subject: Option<String>,
    /// How many at most.
    pub limit: i64,
    /// How long to wait for the first.
    pub wait: Duration,
}

/// Why the log is not read.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The cursor is none of ours, or of another environment.
    #[error("the cursor is none of this environment's")]
    Cursor,
    /// What comes after the cursor is not kept any more.
    #[error("the log begins later")]
    Expired {
        /// Where it begins.
        oldest_cursor: String,
    },
    /// There is no such event.
    #[error("there is no such event")]
    NotFound,
    /// The database failed.
    #[error("the log cannot be read")]
    Storage(#[from] StorageError),
}
stored!(PullError);

impl Refusal for PullError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Cursor => Kind::Invalid.code(code::PARAM_FORMAT_INVALID).param("after"),
            Self::Expired { oldest_cursor } => {
                Kind::Gone.code(code::EVENT_CURSOR_EXPIRED).with("oldest_cursor", oldest_cursor.clone())
            }
            Self::NotFound => Kind::NotFound.code(code::RESOURCE_NOT_FOUND),
            Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// A cursor that stands where the log ends now: whoever reads a list afterwards and then the log from here misses no
/// change.
pub async fn latest_cursor(engine: &Engine, env: &Environment) -> Result<String, StorageError> {
    let last = events::last_position(&mut *engine.read().await?, env.id).await?;
    seal(engine, env, last).await
}

/// The position that a cursor stands at; none when it is no cursor of this environment's.
pub async fn position(engine: &Engine, env: &Environment, text: &str) -> Result<Option<i64>, StorageError> {
    let opened = cursor::open(engine, env, BINDING, text).await?;
    Ok(opened.map(|(position, _)| position).filter(|position| *position >= 0))
}

/// A cursor of the event log.
pub(crate) async fn seal(engine: &Engine, env: &Environment, position: i64) -> Result<String, StorageError> {
    cursor::seal(engine, env, BINDING, position, "").await
}

/// Finds an event that has its place in the log.
pub async fn find(engine: &Engine, cx: &Context, id: EventId) -> Result<LoggedEvent, PullError> {
    events::find(&mut *engine.read().await?, cx.env, id).await?.ok_or(PullError::NotFound)
}

/// How many may wait for the events of one environment at a time, in one process.
const WAITING_MAX: usize = 200;

/// Who waits for events, by environment.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<EnvironmentId, usize>>);

/// A place among those who wait; it is free again when this is dropped.
pub(crate) struct Turn<'a>(&'a Waiting, EnvironmentId);

impl Waiting {
    fn take(&self, env: EnvironmentId) -> Option<Turn<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(env).or_default();
        if *count >= WAITING_MAX {
            return None;
        }
        *count += 1;
        Some(Turn(self, env))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.1);
            }
        }
    }
}

/// Reads the log, oldest first; with nothing to give it waits as long as it was asked to.
pub async fn pull(engine: &Engine, cx: &Context, request: Request) -> Result<api::EventPage, PullError> {
    let env = tenancy::environment(engine, cx.env).await?;
    let wanted = Wanted { types: names(&request.types), subject_id: request.subject.clone() };
    // One more than there is room for is answered at once: it asks again, by its limit.
    let turn = engine.shared().waiting.take(cx.env);
    let deadline = Instant::now() + if turn.is_some() { request.wait } else { Duration::ZERO };
    let after = from(engine, &env, &request.after).await?;
    let mut part = Part { upto: after, ..Part::default() };
    loop {
        // Asked for before the log is looked at, so that nothing comes between the two.
        let mut woken = std::pin::pin!(engine.shared().sequenced.notified());
        let began = part.upto;
        part = read(engine, &env, began, &wanted, request.limit).await?;
        // Whoever asks for all that is kept misses nothing when the oldest of it goes meanwhile.
        if part.first > began && request.after != After::Start {
            return Err(PullError::Expired { oldest_cursor: seal(engine, &env, part.first).await? });
        }
        if !part.events.is_empty() || part.more || Instant::now() >= deadline {
            break;
        }
        loop {
            tokio::select! {
                () = woken.as_mut() => {}
                () = tokio::time::sleep_until(deadline.min(Instant::now() + LOOK)) => {}
            }
            woken.set(engine.shared().sequenced.notified());
            // Everybody is woken by everybody's events: whose own log has not grown looks no further.
            let last = events::last_position(&mut *engine.read().await?, env.id).await?;
            if last != part.last || Instant::now() >= deadline {
                break;
            }
        }
    }
    let cursor = seal(engine, &env, part.upto).await?;
    Ok(api::EventPage {
        data: part.events.iter().map(|event| api::EventRecord::new(cx.env, event)).collect(),
        meta: api::EventPageMeta {
            next_cursor: part.more.then(|| cursor.clone()),
            cursor,
            oldest_cursor: seal(engine, &env, part.first).await?,
            latest_sequence: part.last,
        },
    })
}

fn names(patterns: &[EventPattern]) -> Vec<&'static str> {
    use domain::event::EventType;
    if patterns.contains(&EventPattern::All) {
        return Vec::new();
    }
    let names = EventType::ALL.iter().map(|known| known.as_str());
    names.filter(|name| patterns.iter().any(|pattern| pattern.matches(name))).collect()
}

async fn from(engine: &Engine, env: &Environment, after: &After) -> Result<i64, PullError> {
    match after {
        After::Start => Ok(events::before_first(&mut *engine.read().await?, env.id).await?),
        After::Latest => Ok(events::last_position(&mut *engine.read().await?, env.id).await?),
        After::Cursor(text) => position(engine, env, text).await?.ok_or(PullError::Cursor),
    }
}

/// A part of the log.
#[derive(Default)]
struct Part {
    events: Vec<LoggedEvent>,
    /// How far it was looked through.
    upto: i64,
    /// Whether there is more behind that.
    more: bool,
    /// The position before the oldest event that is kept.
    first: i64,
    /// The last position.
    last: i64,
}

async fn read(engine: &Engine, env: &Environment, after: i64, wanted: &Wanted, limit: i64) -> Result<Part, PullError> {
    let mut reader = engine.read().await?;
    let conn = &mut *reader;
    let last = events::last_position(conn, env.id).await?;
    let mut part = Part { events: Vec::new(), upto: after, more: false, first: 0, last };
    if after > last {
        // The database is an older one than the cursor has seen: what happens next would be left out.
        return Err(PullError::Expired { oldest_cursor: seal(engine, env, last).await? });
    }
    // Only a search by type alone may pass over many rows that nobody wants.
    let step = if wanted.types.is_empty() || wanted.subject_id.is_some() { i64::MAX } else { WINDOW };
    for _ in 0..WINDOWS {
        if part.upto >= last {
            break;
        }
        let end = part.upto.saturating_add(step).min(last);
        part.events = events::range(conn, env.id, (part.upto, end), wanted, limit + 1).await?;
        let full = usize::try_from(limit).unwrap_or(usize::MAX);
        if part.events.len() > full {
            part.events.truncate(full);
            part.upto = part.events.last().map_or(end, |event| event.position);
            break;
        }
        part.upto = end;
        if !part.events.is_empty() {
            break;
        }
    }
    part.more = part.upto < last;
    // Asked for at the end: what was deleted while it was read is noticed.
    part.first = events::before_first(conn, env.id).await?;
    Ok(part)
}
