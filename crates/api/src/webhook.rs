//! Where events are pushed to, what came of it, and the body that is pushed.

use crate::words::{self, words};
use domain::webhook;
use domain::{EventId, Timestamp, WebhookDeliveryId, WebhookEndpointId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

words! {
    /// The type tag of a webhook endpoint.
    WebhookEndpointTag ["webhook_endpoint"];
    /// The type tag of a webhook delivery.
    WebhookDeliveryTag ["webhook_delivery"];
    /// The type tag of a replay.
    WebhookReplayTag ["webhook_replay"];
}

/// Where events are pushed to.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// The type tag.
    #[schema(schema_with = words::one::<WebhookEndpointTag>)]
    pub object: WebhookEndpointTag,
    /// The receiver.
    #[schema(format = "uri")]
    pub url: String,
    /// What verifies a delivery: `whsec_` and base64 of the key. Only in the answers that make or rotate it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub signing_secret: Option<String>,
    /// How the secret begins.
    #[schema(required)]
    pub signing_secret_prefix: Option<String>,
    /// Names of events, `resource.*` or `*`.
    pub enabled_event_types: Vec<String>,
    /// Whether events are pushed.
    pub enabled: bool,
    /// Whether a push says by which door the change came, and who made it.
    pub include_meta: bool,
    /// Until when the secret before this one signs as well.
    #[schema(required)]
    pub rotation_window_expires_at: Option<Timestamp>,
    /// When its failures switched it off.
    #[schema(required)]
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// An endpoint at this time, with its secret in the answers that make or rotate it.
    pub fn new(endpoint: &webhook::WebhookEndpoint, secret: Option<String>, now: Timestamp) -> Self {
        Self {
            id: endpoint.id,
            object: WebhookEndpointTag("webhook_endpoint"),
            url: endpoint.url.clone(),
            signing_secret: secret,
            signing_secret_prefix: Some(endpoint.secret_prefix.clone()),
            enabled_event_types: endpoint.patterns.iter().map(ToString::to_string).collect(),
            enabled: endpoint.enabled,
            include_meta: endpoint.include_meta,
            rotation_window_expires_at: endpoint.overlapping(now).map(|old| old.until),
            disabled_at: endpoint.disabled_at,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

/// One attempt to push an event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookDelivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The type tag.
    #[schema(schema_with = words::one::<WebhookDeliveryTag>)]
    pub object: WebhookDeliveryTag,
    /// The endpoint, which may have been deleted since.
    pub endpoint_id: WebhookEndpointId,
    /// The event; the same at every attempt.
    pub event_id: EventId,
    /// The event's name.
    pub event_type: String,
    /// Which attempt it is.
    #[schema(minimum = 1)]
    pub attempt: i32,
    /// The status of the answer; null while there is none.
    #[schema(required, minimum = 100, maximum = 599)]
    pub response_status: Option<u16>,
    /// How the answer's body begins, 4 KiB at most: a stranger's text, never to be shown as HTML.
    #[schema(required)]
    pub response_body: Option<String>,
    /// When the next attempt is made; null once it was, and when there is none.
    #[schema(required)]
    pub next_retry_at: Option<Timestamp>,
    /// Whether the receiver answered with a status from 200 to 299.
    pub succeeded: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<&webhook::WebhookDelivery> for WebhookDelivery {
    fn from(delivery: &webhook::WebhookDelivery) -> Self {
        Self {
            id: delivery.id,
            object: WebhookDeliveryTag("webhook_delivery"),
            endpoint_id: delivery.endpoint_id,
            event_id: delivery.event_id,
            event_type: delivery.event_type.clone(),
            attempt: delivery.attempt,
            // What is no status of HTTP is no answer.
            response_status: delivery.response_status.filter(|status| (100..600).contains(status)),
            response_body: delivery.response_body.clone(),
            next_retry_at: delivery.next_retry_at,
            succeeded: delivery.succeeded,
            created_at: delivery.created_at,
        }
    }
}

/// Events that will be pushed again.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookReplay {
    /// The type tag.
    #[schema(schema_with = words::one::<WebhookReplayTag>)]
    pub object: WebhookReplayTag,
    /// How many of them.
    #[schema(minimum = 0)]
    pub queued: usize,
}

impl WebhookReplay {
    /// So many events.
    pub fn new(queued: usize) -> Self {
        Self { object: WebhookReplayTag("webhook_replay"), queued }
    }
}

/// What is pushed. Its fields are written in this order, always: the bytes are signed.
#[derive(Serialize)]
pub struct PushedEvent<'a> {
    /// The event; the same at every attempt and replay.
    pub id: EventId,
    /// `event`
    pub object: &'static str,
    /// The event's name.
    #[serde(rename = "type")]
    pub event_type: &'a str,
    /// The thing as it was when it happened.
    pub data: &'a Value,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The environment.
    pub instance_id: String,
    /// Whether it was a test person's doing, or a sample.
    pub was_test: bool,
    /// Who did it, for those who ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<PushedMeta<'a>>,
}

/// By which door a change came, and who made it.
#[derive(Serialize)]
pub struct PushedMeta<'a> {
    /// The door.
    pub surface: &'a str,
    /// Who, when that is somebody with an id.
    pub actor_id: Option<&'a str>,
}
