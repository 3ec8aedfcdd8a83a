//! The bytes that are pushed. They are made anew for every attempt, and are the same each time: the event does not
//! change, and what else decides them is kept with what waits.

use crate::{Engine, StorageError, messages};
use domain::EnvironmentId;
use domain::webhook::BodyKind;
use serde_json::Value;
use storage::events::LoggedEvent;

/// The body of an event; none when it, or the text that belongs into it, is not kept any more.
pub(super) async fn of_event(
    engine: &Engine,
    env: EnvironmentId,
    event: domain::EventId,
    kind: &BodyKind,
) -> Result<Option<String>, StorageError> {
    if let Some(sample) = &kind.sample {
        return Ok(Some(sample.clone()));
    }
    let Some(event) = storage::events::find(&mut *engine.read().await?, env, event).await? else { return Ok(None) };
    let Some(mut data) = event.data.clone() else { return Ok(None) };
    if kind.with_text {
        let Some(Value::Object(text)) = messages::text_of(engine, env, event.id).await? else { return Ok(None) };
        if let Value::Object(data) = &mut data {
            data.extend(text);
        }
    }
    Ok(Some(pushed(env, &event, &data, kind.with_meta)))
}

fn pushed(env: EnvironmentId, event: &LoggedEvent, data: &Value, with_meta: bool) -> String {
    let meta = with_meta.then(|| api::PushedMeta { surface: &event.surface, actor_id: event.actor_id.as_deref() });
    text(&api::PushedEvent {
        id: event.id,
        object: "event",
        event_type: &event.event_type,
        data,
        timestamp: event.created_at,
        instance_id: env.to_string(),
        was_test: event.was_test,
        meta,
    })
}

pub(super) fn text(body: &api::PushedEvent<'_>) -> String {
    serde_json::to_string(body).expect("a body of ours has a JSON form")
}
