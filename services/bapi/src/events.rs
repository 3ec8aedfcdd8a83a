//! The event log, read from outside.

use actix_web::get;
use actix_web::web::{Data, Json};
use api::{EventPage, EventRecord, EventTypeList};
use domain::EventId;
use domain::event_pattern::EventPattern;
use engine::Engine;
use engine::pull::{self, After, Request};
use std::time::Duration;
use utoipa::IntoParams;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, FromQuery, Id, Params, Query, SecretKey};

/// The longest text that may be a subject's id.
const SUBJECT_MAX: usize = 64;

/// The longest time that an answer waits for an event, in seconds.
const WAIT_MAX: i64 = 30;

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_events).service(get_event).service(list_event_types);
}

/// Which part of the log is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it exists to be documented; `FromQuery` reads the values")]
struct EventQuery {
    /// Where to go on: a cursor of this list or of `X-Authn-Event-Cursor`. Absent: the oldest event that is kept.
    /// `latest`: what happens from now on.
    after: Option<String>,
    /// Names and patterns such as `user.*`, with commas between them.
    types: Option<String>,
    /// The id of what the events are about.
    #[param(max_length = 64)]
    subject: Option<String>,
    /// How many events at most; clamped to 1..500.
    #[param(value_type = Option<i64>, default = 100)]
    limit: Option<i64>,
    /// For how many seconds to wait when there is nothing yet; clamped to 0..30.
    #[param(value_type = Option<i64>, default = 0)]
    wait: Option<i64>,
}

struct Asked(Request);

impl FromQuery for Asked {
    fn from_query(params: &mut Params) -> Option<Self> {
        let after = params.text("after", 512).map_or(After::Start, |text| match text.as_str() {
            "latest" => After::Latest,
            _ => After::Cursor(text),
        });
        let patterns = |text: &str| text.split(',').map(|one| one.trim().parse::<EventPattern>().ok()).collect();
        let types: Option<Vec<EventPattern>> = params.choice("types", patterns);
        let subject = params.text("subject", SUBJECT_MAX);
        let limit = params.clamped("limit", 100, 1, 500);
        let wait = u64::try_from(params.clamped("wait", 0, 0, WAIT_MAX)).unwrap_or(0);
        let types = types.unwrap_or_default();
        Some(Self(Request { after, types, subject, limit, wait: Duration::from_secs(wait) }))
    }
}

/// Reads the event log, oldest first. Every event is there, in its order, and can be read again while it is kept; with
/// `wait`, the answer comes as soon as something has happened.
#[utoipa::path(params(EventQuery), responses(
    (status = 200, body = EventPage),
    (status = 410, body = api::ErrorResponse, description = "What comes after the cursor is not kept any more."),
    ApiErrors
))]
#[get("/v1/events")]
async fn list_events(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(Asked(request)): Query<Asked>,
) -> Result<Json<EventPage>, ApiError> {
    Ok(Json(pull::pull(&engine, &caller.cx, request).await?))
}

/// Shows an event.
#[utoipa::path(responses((status = 200, body = EventRecord), ApiErrors))]
#[get("/v1/events/{event_id}")]
async fn get_event(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<EventId>,
) -> Result<Json<EventRecord>, ApiError> {
    let event = pull::find(&engine, &caller.cx, id).await?;
    Ok(Json(EventRecord::new(caller.env.id, &event)))
}

/// Lists the kinds of events there are.
#[utoipa::path(responses((status = 200, body = EventTypeList), ApiErrors))]
#[get("/v1/event-types")]
async fn list_event_types(_caller: SecretKey) -> Json<EventTypeList> {
    Json(EventTypeList::all())
}
