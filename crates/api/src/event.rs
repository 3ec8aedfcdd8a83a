//! Events, as they are pushed and as they are read.

use crate::open::OpenObject;
use crate::words::{self, words};
use domain::event::{EventType, LoggedEvent};
use domain::{EnvironmentId, EventId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

words! {
    /// The type tag of an event.
    EventTag ["event"];
}

/// Which door a change came through, and who was there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventMeta {
    /// `bapi`, `fapi`, `operator` or `system`.
    pub surface: String,
    /// Who did it, when that is somebody with an id.
    #[schema(required)]
    pub actor_id: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The kind of thing, such as `user`.
    #[serde(rename = "type")]
    pub subject_type: String,
    /// Its id.
    pub id: String,
}

/// An event as it is pushed to webhook endpoints.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its id: the same on every attempt and replay.
    pub id: EventId,
    /// The type tag.
    #[schema(schema_with = words::one::<EventTag>)]
    pub object: EventTag,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The thing as it was at that moment, in the form of this API.
    pub data: OpenObject,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The environment it happened in.
    pub instance_id: EnvironmentId,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// Only where it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub meta: Option<EventMeta>,
}

impl Event {
    /// An event of an environment, with `meta` or without.
    pub fn new(env: EnvironmentId, event: &LoggedEvent, with_meta: bool) -> Self {
        Self {
            id: event.id,
            object: EventTag("event"),
            event_type: event.event_type.clone(),
            data: data(event.data.as_ref()),
            timestamp: event.created_at,
            instance_id: env,
            was_test: event.was_test,
            meta: with_meta.then(|| meta(event)),
        }
    }

    /// The one text of it: what is signed and sent, on every attempt alike.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a body of ours has a JSON form")
    }
}

fn meta(event: &LoggedEvent) -> EventMeta {
    EventMeta { surface: event.surface.clone(), actor_id: event.actor_id.clone() }
}

// What was erased is an empty object.
fn data(data: Option<&Value>) -> OpenObject {
    OpenObject(data.and_then(Value::as_object).cloned().unwrap_or_default())
}

/// An event as it is read from the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    /// Its id: the same as in every push of it.
    pub id: EventId,
    /// The type tag.
    #[schema(schema_with = words::one::<EventTag>)]
    pub object: EventTag,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The thing as it was at that moment, in the form of this API; empty once it was erased.
    pub data: OpenObject,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The environment it happened in.
    pub instance_id: EnvironmentId,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// Its place in the environment's log: 1, 2, 3 and so on, without gaps.
    #[schema(minimum = 1)]
    pub sequence: i64,
    /// What it is about.
    pub subject: Subject,
    /// Which door it came through, and who was there.
    pub meta: EventMeta,
}

impl EventRecord {
    /// An event of an environment.
    pub fn new(env: EnvironmentId, event: &LoggedEvent) -> Self {
        let Event { id, object, event_type, data, timestamp, instance_id, was_test, .. } =
            Event::new(env, event, false);
        Self {
            id,
            object,
            event_type,
            data,
            timestamp,
            instance_id,
            was_test,
            sequence: event.position,
            subject: Subject { subject_type: event.subject_type.clone(), id: event.subject_id.clone() },
            meta: meta(event),
        }
    }
}

/// A part of the event log, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventPage {
    /// The events.
    pub data: Vec<EventRecord>,
    /// Where it goes on.
    pub meta: EventPageMeta,
}

/// Where a reader of the event log is, and what there is beyond.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventPageMeta {
    /// What `after` takes to go on from here; there as well when nothing was found.
    pub cursor: String,
    /// The same, only there when more can be read at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
    /// Where the log begins.
    pub oldest_cursor: String,
    /// The place of the newest event that can be read; 0 before the first.
    #[schema(minimum = 0)]
    pub latest_sequence: i64,
}

/// The events there are.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTypeList {
    /// Every event, in the order of the catalogue.
    pub data: Vec<EventTypeEntry>,
}

/// A kind of event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventTypeEntry {
    /// Its name.
    pub name: String,
    /// When it happens.
    pub description: String,
}

impl EventTypeList {
    /// The whole catalogue.
    pub fn all() -> Self {
        let entry =
            |e: &EventType| EventTypeEntry { name: e.as_str().to_owned(), description: e.description().to_owned() };
        Self { data: EventType::ALL.iter().map(entry).collect() }
    }
}
