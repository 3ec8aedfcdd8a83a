//! Webhooks: endpoints, deliveries, replays.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::{Page, WebhookDelivery, WebhookEndpoint, WebhookReplay};
use domain::event::EventType;
use domain::event_pattern::EventPattern;
use domain::{EventId, Timestamp, WebhookDeliveryId, WebhookEndpointId, code};
use engine::webhooks::replay::{Asked, Begin};
use engine::webhooks::{EndpointChange, NewEndpoint, replay};
use engine::{DeliveryFilter, DeliveryKey, Engine, WebhookKey, webhooks};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::form::read;
use web::{
    ApiError, ApiErrors, Form, FromForm, FromQuery, Id, NoContent, Nothing, OrFault, PageParams, Paging, Params, Query,
    SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_webhook_endpoints)
        .service(create_webhook_endpoint)
        .service(get_webhook_endpoint)
        .service(update_webhook_endpoint)
        .service(delete_webhook_endpoint)
        .service(rotate_webhook_endpoint_secret)
        .service(replay_webhook_events)
        .service(test_webhook_endpoint)
        .service(list_webhook_deliveries)
        .service(get_webhook_delivery)
        .service(replay_webhook_delivery);
}

/// The longest URL, in characters.
const URL_MAX: usize = 2048;

/// The most patterns of one endpoint.
const PATTERNS_MAX: usize = 100;

/// A list of patterns with something in it, if the field is there.
fn patterns(form: &mut Form, name: &'static str, is_required: bool) -> Option<Vec<EventPattern>> {
    let given = form.list(name, PATTERNS_MAX, read::choice(|text| text.parse().ok()));
    let patterns: Option<Vec<EventPattern>> = if is_required { given.required() } else { given.optional() };
    if patterns.as_ref().is_some_and(Vec::is_empty) {
        form.wrong(name, code::PARAM_NIL);
    }
    patterns
}

/// An endpoint to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookEndpointCreateRequest {
    /// The receiver: https; http for localhost in test environments.
    #[schema(format = "uri", max_length = 2048)]
    url: String,
    /// Names of events, `resource.*` or `*`.
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 100)]
    enabled_event_types: Vec<EventPattern>,
    /// Whether events are pushed.
    #[schema(value_type = Option<bool>, default = true)]
    enabled: bool,
    /// Whether a push says by which door the change came, and who made it.
    #[schema(value_type = Option<bool>, default = false)]
    include_meta: bool,
}

impl FromForm for WebhookEndpointCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let url = form.text("url", URL_MAX).required();
        let enabled_event_types = patterns(form, "enabled_event_types", true);
        let enabled = form.boolean("enabled").or(true);
        let include_meta = form.boolean("include_meta").or(false);
        Some(Self { url: url?, enabled_event_types: enabled_event_types?, enabled, include_meta })
    }
}

/// A change of an endpoint.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookEndpointUpdateRequest {
    /// The receiver.
    #[schema(format = "uri", max_length = 2048)]
    url: Option<String>,
    /// Names of events, `resource.*` or `*`.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 100)]
    enabled_event_types: Option<Vec<EventPattern>>,
    /// Whether events are pushed; what waits is dropped when it is switched off.
    enabled: Option<bool>,
    /// Whether a push says by which door the change came, and who made it.
    include_meta: Option<bool>,
}

impl FromForm for WebhookEndpointUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let url = form.text("url", URL_MAX).optional();
        let enabled_event_types = patterns(form, "enabled_event_types", false);
        let enabled = form.boolean("enabled").optional();
        let include_meta = form.boolean("include_meta").optional();
        Some(Self { url, enabled_event_types, enabled, include_meta })
    }
}

/// How long the secret before goes on signing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSecretRotateRequest {
    /// For so many seconds; 0 is not at all.
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 86400, default = 300)]
    overlap_seconds: Duration,
}

impl FromForm for WebhookSecretRotateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let overlap = form.integer("overlap_seconds", 0..=86_400).or(300);
        Some(Self { overlap_seconds: Duration::from_secs(overlap.unsigned_abs()) })
    }
}

/// Events to push again. A position is a cursor of the pull API or the id of an event.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookReplayRequest {
    /// From this one on; this or `after` is required.
    #[schema(max_length = 512)]
    since: Option<String>,
    /// From the one behind this one on.
    #[schema(max_length = 512)]
    after: Option<String>,
    /// Up to this one and with it; to the end of the log when absent.
    #[schema(max_length = 512)]
    until: Option<String>,
    /// Names of events, `resource.*` or `*`; all that the endpoint hears of when absent.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    types: Vec<EventPattern>,
    /// Without those that the endpoint has taken already.
    #[schema(value_type = Option<bool>, default = false)]
    only_failed: bool,
}

impl FromForm for WebhookReplayRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let since = form.text("since", 512).optional();
        let after = form.text("after", 512).optional();
        let until = form.text("until", 512).optional();
        let types = form.list("types", PATTERNS_MAX, read::choice(|text| text.parse().ok())).or(Vec::new());
        let only_failed = form.boolean("only_failed").or(false);
        if since.is_some() && after.is_some() {
            form.wrong("after", code::PARAM_VALUE_INVALID);
        }
        Some(Self { since, after, until, types, only_failed })
    }
}

/// A sample to push.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookTestRequest {
    /// The name of the event; absent is the first that the endpoint names, else `user.created`.
    #[serde(rename = "type")]
    #[schema(value_type = Option<String>)]
    event_type: Option<EventType>,
}

impl FromForm for WebhookTestRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        Some(Self { event_type: form.choice("type", |text| text.parse().ok()).optional() })
    }
}

const ORDERS: [(&str, WebhookKey); 2] = [("created_at", WebhookKey::CreatedAt), ("updated_at", WebhookKey::UpdatedAt)];

/// How endpoints are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListWebhookEndpoints {
    #[param(ignore)]
    paging: Paging<WebhookKey>,
}

impl FromQuery for ListWebhookEndpoints {
    fn from_query(params: &mut Params) -> Option<Self> {
        let paging = params.paging("webhook_endpoints", &ORDERS);
        Some(Self { paging: paging? })
    }
}

/// Lists webhook endpoints.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<WebhookEndpoint>), ApiErrors))]
#[get("/v1/webhooks/endpoints")]
async fn list_webhook_endpoints(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListWebhookEndpoints>,
) -> Result<Json<Page<WebhookEndpoint>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = webhooks::list(&engine, &caller.cx, request).await.or_fault()?;
    let bodies = found.map(|endpoint| WebhookEndpoint::new(&endpoint, None, caller.cx.now));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Makes an endpoint, which hears of what happens from then on. Its secret is in this answer alone.
#[utoipa::path(request_body = WebhookEndpointCreateRequest, responses((status = 201, body = WebhookEndpoint), ApiErrors))]
#[post("/v1/webhooks/endpoints")]
async fn create_webhook_endpoint(
    Write { cx, body, .. }: Write<WebhookEndpointCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<WebhookEndpoint>, StatusCode), ApiError> {
    let WebhookEndpointCreateRequest { url, enabled_event_types: patterns, enabled, include_meta } = body;
    let new = NewEndpoint { url, patterns, enabled, include_meta };
    Ok((Json(webhooks::create(&engine, &cx, new).await?), StatusCode::CREATED))
}

/// Shows an endpoint.
#[utoipa::path(responses((status = 200, body = WebhookEndpoint), ApiErrors))]
#[get("/v1/webhooks/endpoints/{endpoint_id}")]
async fn get_webhook_endpoint(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<Json<WebhookEndpoint>, ApiError> {
    let endpoint = webhooks::find(&engine, &caller.cx, id).await?;
    Ok(Json(WebhookEndpoint::new(&endpoint, None, caller.cx.now)))
}

/// Changes an endpoint. Switched on again, it hears of what happens from then on; what it missed can be replayed.
#[utoipa::path(request_body = WebhookEndpointUpdateRequest, responses((status = 200, body = WebhookEndpoint), ApiErrors))]
#[patch("/v1/webhooks/endpoints/{endpoint_id}")]
async fn update_webhook_endpoint(
    Write { cx, body, .. }: Write<WebhookEndpointUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<Json<WebhookEndpoint>, ApiError> {
    let WebhookEndpointUpdateRequest { url, enabled_event_types: patterns, enabled, include_meta } = body;
    let change = EndpointChange { url, patterns, enabled, include_meta };
    Ok(Json(webhooks::change(&engine, &cx, id, change).await?))
}

/// Deletes an endpoint and what waits for it; its deliveries stay to be read.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/webhooks/endpoints/{endpoint_id}")]
async fn delete_webhook_endpoint(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<NoContent, ApiError> {
    webhooks::delete(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}

/// Gives an endpoint another secret, which is in this answer alone; the one before signs as well for a while.
#[utoipa::path(request_body = WebhookSecretRotateRequest, responses((status = 200, body = WebhookEndpoint), ApiErrors))]
#[post("/v1/webhooks/endpoints/{endpoint_id}/rotate-secret")]
async fn rotate_webhook_endpoint_secret(
    Write { cx, body, .. }: Write<WebhookSecretRotateRequest>,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<Json<WebhookEndpoint>, ApiError> {
    Ok(Json(webhooks::rotate(&engine, &cx, id, body.overlap_seconds).await?))
}

/// Pushes the events of a range again, in their order, to an endpoint; a range spans 100,000 events at most.
#[utoipa::path(request_body = WebhookReplayRequest, responses(
    (status = 202, body = WebhookReplay),
    (status = 410, body = api::ErrorResponse, description = "What the range begins with is not kept any more."),
    ApiErrors,
))]
#[post("/v1/webhooks/endpoints/{endpoint_id}/replay")]
async fn replay_webhook_events(
    Write { cx, body, .. }: Write<WebhookReplayRequest>,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<(Json<WebhookReplay>, StatusCode), ApiError> {
    let WebhookReplayRequest { since, after, until, types, only_failed } = body;
    let begin = since.map(Begin::Since).or(after.map(Begin::After));
    let replayed = replay::range(&engine, &cx, id, Asked { begin, until, types, only_failed }).await?;
    Ok((Json(replayed), StatusCode::ACCEPTED))
}

/// Pushes a sample event, once. The answer is the delivery as it waits; read it again to see what came of it.
#[utoipa::path(request_body = WebhookTestRequest, responses((status = 201, body = WebhookDelivery), ApiErrors))]
#[post("/v1/webhooks/endpoints/{endpoint_id}/test")]
async fn test_webhook_endpoint(
    Write { cx, body, .. }: Write<WebhookTestRequest>,
    engine: Data<Engine>,
    Id(id): Id<WebhookEndpointId>,
) -> Result<(Json<WebhookDelivery>, StatusCode), ApiError> {
    Ok((Json(replay::test(&engine, &cx, id, body.event_type).await?), StatusCode::CREATED))
}

const DELIVERY_ORDERS: [(&str, DeliveryKey); 1] = [("created_at", DeliveryKey::CreatedAt)];

/// Which deliveries are meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListWebhookDeliveries {
    /// At this endpoint, which may have been deleted.
    #[param(value_type = Option<String>)]
    endpoint_id: Option<WebhookEndpointId>,
    /// Of this event.
    #[param(value_type = Option<String>)]
    event_id: Option<EventId>,
    /// Of events of this name.
    #[param(value_type = Option<String>)]
    event_type: Option<EventType>,
    /// Those that succeeded, or those that did not, with or without a next attempt.
    succeeded: Option<bool>,
    /// Made after this, in Unix milliseconds.
    #[param(value_type = Option<i64>)]
    created_at_after: Option<Timestamp>,
    /// Made before this, in Unix milliseconds.
    #[param(value_type = Option<i64>)]
    created_at_before: Option<Timestamp>,
    #[param(ignore)]
    paging: Paging<DeliveryKey>,
}

impl FromQuery for ListWebhookDeliveries {
    fn from_query(params: &mut Params) -> Option<Self> {
        let endpoint_id = params.parse("endpoint_id", str::parse::<WebhookEndpointId>);
        let event_id = params.parse("event_id", str::parse::<EventId>);
        let event_type = params.choice("event_type", |text| text.parse().ok());
        let succeeded = params.boolean("succeeded");
        let created_at_after = params.timestamp("created_at_after");
        let created_at_before = params.timestamp("created_at_before");
        let paging = params.paging("webhook_deliveries", &DELIVERY_ORDERS)?;
        Some(Self { endpoint_id, event_id, event_type, succeeded, created_at_after, created_at_before, paging })
    }
}

/// Lists deliveries, the newest first; they are kept for 30 days.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<WebhookDelivery>), ApiErrors))]
#[get("/v1/webhooks/deliveries")]
async fn list_webhook_deliveries(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListWebhookDeliveries>,
) -> Result<Json<Page<WebhookDelivery>>, ApiError> {
    let filter = DeliveryFilter {
        endpoint_id: asked.endpoint_id.map(|id| id.to_string()),
        event_id: asked.event_id.map(|id| id.to_string()),
        event_type: asked.event_type.map(|name| name.as_str().to_owned()),
        succeeded: asked.succeeded,
        after: asked.created_at_after,
        before: asked.created_at_before,
    };
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = webhooks::deliveries(&engine, &caller.cx, filter, request).await.or_fault()?;
    let bodies = found.map(|delivery| WebhookDelivery::from(&delivery));
    Ok(Json(asked.paging.answer(&engine, &caller.env, bodies).await?))
}

/// Shows a delivery.
#[utoipa::path(responses((status = 200, body = WebhookDelivery), ApiErrors))]
#[get("/v1/webhooks/deliveries/{delivery_id}")]
async fn get_webhook_delivery(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<WebhookDeliveryId>,
) -> Result<Json<WebhookDelivery>, ApiError> {
    Ok(Json(WebhookDelivery::from(&webhooks::find_delivery(&engine, &caller.cx, id).await?)))
}

/// Pushes the event of a delivery again: the same bytes under the same id, signed anew. The answer is the delivery as
/// it waits; read it again to see what came of it.
#[utoipa::path(responses((status = 201, body = WebhookDelivery), ApiErrors))]
#[post("/v1/webhooks/deliveries/{delivery_id}/replay")]
async fn replay_webhook_delivery(
    Write { cx, .. }: Write<Nothing>,
    engine: Data<Engine>,
    Id(id): Id<WebhookDeliveryId>,
) -> Result<(Json<WebhookDelivery>, StatusCode), ApiError> {
    Ok((Json(replay::delivery(&engine, &cx, id).await?), StatusCode::CREATED))
}
