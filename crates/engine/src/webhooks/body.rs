//! The bytes that are pushed. They are made anew for every attempt, and are the same each time: the event and its data
//! are stored as they were when it happened, and what else decides them is kept with what waits.
//!
//! How they are made must never change for an event that is logged already: one whose first attempt was made by the
//! version before is tried again by this one, under the same id, and receivers compare. A test holds the bytes.

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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn the_bytes_of_an_event_are_the_same_in_every_version() {
        let env: EnvironmentId = "env_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        // As it is stored, and as it is sent.
        let stored = r#"{"big":9007199254740993,"half":0.5,"id":"user_01ARZ3NDEKTSV4RRFFQ69G5FAV","list":[],"map":{},"name":"Zoë \"Z\" </script>","null":null}"#;
        let event = LoggedEvent {
            id: "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            position: 7,
            event_type: "user.created".to_owned(),
            version: 1,
            subject_type: "user".to_owned(),
            subject_id: "user_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            actor_id: Some("apik_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned()),
            impersonator: None,
            surface: "bapi".to_owned(),
            trace_id: "req_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
            created_at: Timestamp::from_millis(1_700_000_000_123),
            was_test: false,
            data_sha256: Vec::new(),
            data: Some(serde_json::from_str(stored).unwrap()),
        };
        let data = event.data.clone().unwrap();

        let plain = r#"{"id":"evt_01ARZ3NDEKTSV4RRFFQ69G5FAV","object":"event","type":"user.created","data":DATA,"timestamp":1700000000123,"instance_id":"env_01ARZ3NDEKTSV4RRFFQ69G5FAV","was_test":false}"#;
        assert_eq!(pushed(env, &event, &data, false), plain.replace("DATA", stored));
        let meta = r#","meta":{"surface":"bapi","actor_id":"apik_01ARZ3NDEKTSV4RRFFQ69G5FAV"}}"#;
        let with_meta = format!("{}{meta}", &plain[..plain.len() - 1]);
        assert_eq!(pushed(env, &event, &data, true), with_meta.replace("DATA", stored));
    }
}
