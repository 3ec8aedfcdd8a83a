//! The audit log.

use actix_web::get;
use actix_web::web::{Data, Json};
use api::{AuditEntry, Page};
use domain::audit::{self, Outcome};
use domain::{AuditEntryId, Timestamp};
use engine::{AuditFilter, Engine, operators};
use std::net::IpAddr;
use utoipa::IntoParams;
use web::ServiceConfig;
use web::{ApiError, ApiErrors, FromQuery, Id, Operator, OrFault, PageParams, Paging, Params, Query, SecretKey};

/// The longest text that may be an id.
const ID_MAX: usize = 128;

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_audit_log).service(get_audit_entry).service(list_operators_audit_log);
}

/// Which entries are meant: AND across the filters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it exists to be documented; `FromQuery` reads the values")]
struct AuditQuery {
    /// Of these kinds: names and patterns such as `user.*` or `signIn.*`, with commas between them.
    r#type: Option<String>,
    /// By this user, key or client.
    #[param(max_length = 128)]
    actor_id: Option<String>,
    /// About this thing.
    #[param(max_length = 128)]
    subject_id: Option<String>,
    /// In this organization.
    #[param(max_length = 128)]
    organization_id: Option<String>,
    /// From this address; where networks are kept instead of addresses, from its network.
    ip_address: Option<String>,
    /// `success` or `denied`.
    outcome: Option<String>,
    /// After this time.
    created_at_after: Option<i64>,
    /// Before this time.
    created_at_before: Option<i64>,
}

struct Asked {
    filter: AuditFilter,
    paging: Paging<()>,
}

/// The names that all patterns of a list mean together.
fn names(text: &str) -> Option<Option<Vec<&'static str>>> {
    let mut all = Vec::new();
    for pattern in text.split(',') {
        match audit::names(pattern.trim()).ok()? {
            Some(names) => all.extend(names),
            None => return Some(None),
        }
    }
    Some(Some(all))
}

/// How an address may stand in the log: whole, or as its network. A network is taken as it is.
fn origins(text: &str) -> Option<Vec<String>> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(vec![audit::kept_ip(ip, true), audit::kept_ip(ip, false)]);
    }
    let (ip, _) = text.split_once('/')?;
    ip.parse::<IpAddr>().is_ok().then(|| vec![text.to_owned()])
}

impl FromQuery for Asked {
    fn from_query(params: &mut Params) -> Option<Self> {
        let filter = AuditFilter {
            types: params.choice("type", names).flatten(),
            actor_id: params.text("actor_id", ID_MAX),
            subject_id: params.text("subject_id", ID_MAX),
            organization_id: params.text("organization_id", ID_MAX),
            origins: params.parse("ip_address", |text| origins(text).ok_or(())).unwrap_or_default(),
            outcome: params.choice("outcome", Outcome::of),
            created_at_after: params.timestamp("created_at_after").map(Timestamp::millis),
            created_at_before: params.timestamp("created_at_before").map(Timestamp::millis),
        };
        let paging = params.paging("audit_log", &[("created_at", ())])?;
        Some(Self { filter, paging })
    }
}

/// Lists what was done and what was refused, newest first.
#[utoipa::path(params(PageParams, AuditQuery), responses((status = 200, body = Page<AuditEntry>), ApiErrors))]
#[get("/v1/audit-log")]
async fn list_audit_log(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(Asked { filter, paging }): Query<Asked>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let request = paging.open(&engine, &caller.env).await?;
    let found = engine::audit::list(&engine, &caller.cx, filter, request).await.or_fault()?;
    let bodies = found.map(|(record, hash)| AuditEntry::new(record, hash));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}

/// Shows an entry.
#[utoipa::path(responses((status = 200, body = AuditEntry), ApiErrors))]
#[get("/v1/audit-log/{audit_id}")]
async fn get_audit_entry(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<AuditEntryId>,
) -> Result<Json<AuditEntry>, ApiError> {
    let (record, hash) = engine::audit::find(&engine, &caller.cx, id).await?;
    Ok(Json(AuditEntry::new(record, hash)))
}

/// Lists what operators did and what they were refused, newest first.
#[utoipa::path(params(PageParams, AuditQuery), responses((status = 200, body = Page<AuditEntry>), ApiErrors))]
#[get("/v1/admin/audit-log")]
async fn list_operators_audit_log(
    caller: Operator,
    engine: Data<Engine>,
    Query(Asked { filter, paging }): Query<Asked>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let request = paging.open(&engine, &caller.env).await?;
    let found = operators::audit_log(&engine, &caller.cx, filter, request).await?;
    let bodies = found.map(|(record, hash)| AuditEntry::new(record, hash));
    Ok(Json(paging.answer(&engine, &caller.env, bodies).await?))
}
