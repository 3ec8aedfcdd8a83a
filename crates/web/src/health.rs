//! What machines ask a process: whether it lives, whether it can serve, what it counted.

use crate::error::chain;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use engine::Engine;
use serde_json::json;
use std::sync::Arc;

/// Writes the metrics in the text form that Prometheus reads.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What is asked for by machines on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    /// All of it.
    All,
    /// Whether the process lives; the rest has a socket of its own.
    Alive,
}

impl Probes {
    /// Whether a path is a probe's here: no tenant is looked for, nothing is counted.
    pub(crate) fn answer(self, path: &str) -> bool {
        path == "/healthz" || (self == Self::All && matches!(path, "/readyz" | "/metrics"))
    }

    pub(crate) fn routes(self, app: &mut ServiceConfig) {
        app.service(alive);
        if self == Self::All {
            app.service(ready).service(metrics);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::Probes;

    #[test]
    fn only_the_paths_that_are_answered_are_probes() {
        let answered =
            |probes: Probes| ["/healthz", "/readyz", "/metrics", "/v1/client"].map(|path| probes.answer(path));
        assert_eq!(answered(Probes::All), [true, true, true, false]);
        assert_eq!(answered(Probes::Alive), [true, false, false, false]);
    }
}
