//! A surface as an application, and an application on a socket.

use crate::actions::Operations;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::health::{Probes, RenderMetrics};
use crate::limits::Limits;
use crate::routing::{Routes, ServiceConfig};
use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::web::Data;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use domain::{Kind, Surface, code};
use engine::Engine;
use ipnet::IpNet;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What the workers of a surface share.
#[derive(Clone)]
pub struct AppParts {
    /// Which surface.
    pub surface: Surface,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The rate limits.
    pub limits: Arc<Limits>,
    /// Renders the process's metrics.
    pub metrics: RenderMetrics,
    /// What machines may ask for beside the routes.
    pub probes: Probes,
}

/// A surface's application: its routes behind the edge, and the probes beside them.
pub fn app(
    parts: AppParts,
    engine: Engine,
    routes: fn(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>,
> {
    let probes = parts.probes;
    let mut known = Routes::default();
    let app = App::new().configure(|app| known = ServiceConfig::mount(routes, app));
    let known = Rc::new(known);
    app.app_data(Data::new(engine.clone()))
        .app_data(Data::from(Arc::clone(&parts.limits)))
        .app_data(Data::new(Arc::clone(&parts.metrics)))
        .app_data(Data::new(Operations::of(&known)))
        .app_data(Rc::clone(&known))
        .configure(|app| probes.routes(app))
        .default_service(actix_web::web::to(unmatched))
        .wrap(Edge::new(parts, engine, known))
}

/// Answers what no route takes: 405 where another method would have been, 404 elsewhere.
async fn unmatched(req: HttpRequest) -> HttpResponse {
    let allowed = req.app_data::<Rc<Routes>>().map(|routes| routes.methods(req.path())).unwrap_or_default();
    if allowed.is_empty() {
        return HttpResponse::from_error(ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND));
    }
    let mut response = HttpResponse::from_error(ApiError::refuse(Kind::MethodNotAllowed, code::METHOD_NOT_ALLOWED));
    if let Ok(value) = HeaderValue::from_str(&allowed.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// How a server behaves towards its connections.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Worker threads.
    pub workers: usize,
    /// The most connections of one worker.
    pub max_connections: usize,
    /// How long an idle connection stays.
    pub keep_alive: Duration,
    /// How long the head of a request may take.
    pub request_timeout: Duration,
    /// How long requests in hand may take when the server stops.
    pub shutdown_timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            max_connections: 10_000,
            keep_alive: Duration::from_secs(75),
            request_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(20),
        }
    }
}

/// Serves a surface on a socket; `engine` runs once in each worker.
///
/// The server runs while it is polled; `Server::handle().stop(true)` finishes the requests in hand. Signals
/// are the caller's business.
pub fn serve(
    parts: AppParts,
    engine: impl Fn() -> Engine + Send + Clone + 'static,
    routes: fn(&mut ServiceConfig),
    listener: TcpListener,
    settings: &ServerSettings,
) -> io::Result<Server> {
    let server = HttpServer::new(move || app(parts.clone(), engine(), routes))
        .workers(settings.workers.max(1))
        .max_connections(settings.max_connections)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.request_timeout)
        .client_disconnect_timeout(Duration::from_secs(1))
        .shutdown_timeout(settings.shutdown_timeout.as_secs())
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Serves what machines ask for, and nothing else, on a socket of its own.
pub fn serve_probes(
    engine: impl Fn() -> Engine + Send + Clone + 'static,
    metrics: RenderMetrics,
    listener: TcpListener,
    settings: &ServerSettings,
) -> io::Result<Server> {
    let app = move || {
        let shared = App::new().app_data(Data::new(engine())).app_data(Data::new(Arc::clone(&metrics)));
        shared.configure(|app| Probes::All.routes(app))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.request_timeout)
        .client_disconnect_timeout(Duration::from_secs(1))
        .shutdown_timeout(settings.shutdown_timeout.as_secs())
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
