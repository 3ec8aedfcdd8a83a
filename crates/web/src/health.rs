//! What machines ask a process: whether it lives, whether it can serve, what it counted.

use crate::error::chain;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use engine::Engine;
use serde_json::json;
use std::sync::Arc;

/// Writes the metrics in the text form that Prometheus reads.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Whether a path is a probe's: no tenant is looked for, nothing is counted.
pub(crate) fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(alive).service(ready).service(metrics);
}

#[get("/healthz")]
async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

#[get("/readyz")]
async fn ready(engine: Data<Engine>) -> HttpResponse {
    match engine::health::ready(&engine).await {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ok" })),
        Err(reason) => {
            tracing::warn!(error.chain = chain(&reason), "not ready");
            HttpResponse::ServiceUnavailable().json(json!({ "status": "unready", "reason": reason.to_string() }))
        }
    }
}

#[get("/metrics")]
async fn metrics(render: Data<RenderMetrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(render())
}
