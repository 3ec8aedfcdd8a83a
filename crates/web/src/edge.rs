//! The one middleware in front of both surfaces: it finds the tenant, keeps foreign browsers out, and turns
//! whatever comes back into the answer that leaves.

mod cors;
mod peer;
mod report;
mod tenant;

use crate::callers::Bearer;
use crate::error::{Answer, ApiError, OrFault, log_fault};
use crate::routing::Routes;
use crate::server::AppParts;
use crate::state::RequestState;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage, HttpResponse};
use domain::action::OPERATORS;
use domain::audit::Denial;
use domain::code::Code;
use domain::environment::{Environment, EnvironmentKind};
use domain::{Actor, ApiKeyId, EnvironmentId, Kind, NewId, ProjectId, RequestId, Surface, code};
use engine::Engine;
use engine::callers::{Device, DeviceCookie};
use futures_util::future::LocalBoxFuture;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// Names the request on every answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-authn-request-id");

/// Refusals that are the ordinary course of things: a page that asks once more for a factor or waits for the second one,
/// and foreign pages.
const EXPECTED: [Code; 3] = [code::REVERIFICATION_REQUIRED, code::SESSION_PENDING, code::ORIGIN_INVALID];

/// Refusals of a claim on an idempotency key: the request itself was not looked at.
const OF_CLAIMS: [Code; 2] = [code::IDEMPOTENCY_KEY_REUSED, code::IDEMPOTENCY_IN_PROGRESS];

/// Where the event log ended before the list of the answer was read.
const EVENT_CURSOR: HeaderName = HeaderName::from_static("x-authn-event-cursor");

const RATE_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The middleware, one for each worker.
pub struct Edge(Rc<Parts>);

struct Parts {
    app: AppParts,
    engine: Engine,
    routes: Rc<Routes>,
}

impl Edge {
    /// The edge of a surface.
    pub(crate) fn new(app: AppParts, engine: Engine, routes: Rc<Routes>) -> Self {
        Self(Rc::new(Parts { app, engine, routes }))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type InitError = ();
    type Transform = EdgeService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service: Rc::new(service), parts: Rc::clone(&self.0) }))
    }
}

/// The middleware around a service.
pub struct EdgeService<S> {
    service: Rc<S>,
    parts: Rc<Parts>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let parts = Rc::clone(&self.parts);
        Box::pin(async move {
            let started = Instant::now();
            let state = parts.state(&req);
            req.extensions_mut().insert(Rc::clone(&state));
            let seen = report::Seen::of(&req, parts.app.probes);
            let mut response = parts.answer(&*service, &state, req).await?;
            parts.finish(&state, &mut response).await;
            report::report(&state, &seen, &response, started);
            Ok(response)
        })
    }
}

/// What is decided before any handler runs.
enum Passage {
    Through,
    Answered(HttpResponse),
}

impl Parts {
    fn state(&self, req: &ServiceRequest) -> Rc<RequestState> {
        let now = self.engine.now();
        let id = RequestId::new(now, crypto::random::unique());
        let socket = req.peer_addr().map(|address| address.ip());
        let ip = peer::client(socket, req.headers(), &self.app.trusted_proxies);
        Rc::new(RequestState::new(id, now, self.app.surface, ip))
    }

    async fn answer<S, B>(
        &self,
        service: &S,
        state: &RequestState,
        mut req: ServiceRequest,
    ) -> Result<ServiceResponse<BoxBody>, Error>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody + 'static,
    {
        let passage = if self.app.probes.answer(req.path()) || self.app.surface != Surface::Fapi {
            Ok(Passage::Through)
        } else {
            self.admit(state, &mut req).await
        };
        match passage {
            Ok(Passage::Through) => {
                if let Some(route) = self.routes.find(req.method(), req.path()) {
                    // Set once: nothing but the edge finds routes.
                    let _ = state.route.set(Rc::clone(route));
                }
                Ok(service.call(req).await?.map_into_boxed_body())
            }
            Ok(Passage::Answered(response)) => Ok(req.into_response(response)),
            Err(error) => Ok(req.error_response(error)),
        }
    }

    /// Finds the tenant and asks whether this browser may talk to it.
    async fn admit(&self, state: &RequestState, req: &mut ServiceRequest) -> Result<Passage, ApiError> {
        let found = engine::tenancy::resolve(&self.engine, tenant::host(req), req.path()).await.or_fault()?;
        let Some(found) = found else {
            if req.method() == Method::OPTIONS {
                return Ok(Passage::Answered(HttpResponse::NoContent().finish()));
            }
            return Err(ApiError::refuse(Kind::NotFound, code::ENVIRONMENT_NOT_FOUND));
        };
        let env = found.env;
        state.env.replace(Some(Arc::clone(&env)));
        let linked = if env.kind == EnvironmentKind::Development {
            tenant::linked_device(req.query_string()).map(|(value, rest)| (value, rest, req.path().to_owned()))
        } else {
            None
        };
        if found.prefix_len > 0 && !tenant::strip(req, found.prefix_len) {
            return Err(ApiError::refuse(Kind::NotFound, code::RESOURCE_NOT_FOUND));
        }
        if req.method() == Method::OPTIONS {
            let mut response = HttpResponse::NoContent().finish();
            cors::preflight(&env, req.path(), req.headers(), response.headers_mut());
            return Ok(Passage::Answered(response));
        }
        let is_bearer = matches!(Bearer::read(req.headers()), Bearer::Token(_));
        cors::check_origin(&env, req.method(), req.path(), req.headers(), is_bearer)?;
        if let Some((value, rest, public_path)) = linked {
            if req.method() != Method::GET {
                state.linked_device.replace(Some(value));
                return Ok(Passage::Through);
            }
            if let Some(cookie) = DeviceCookie::parse(value.expose()) {
                let weighed = Box::pin(engine::callers::device(&self.engine, &env, &cookie, state.now));
                let device = weighed.await.or_fault()?;
                if matches!(device, Device::Known(_)) {
                    state.jar.set_client(&cookie);
                }
            }
            return Ok(Passage::Answered(tenant::redirect(&public_path, &rest)));
        }
        Ok(Passage::Through)
    }

    /// Renders errors and adds what every answer carries.
    async fn finish(&self, state: &RequestState, response: &mut ServiceResponse<BoxBody>) {
        let refused = self.render(state, response);
        self.release(state, response.status()).await;
        self.write_down(state, response, refused).await;
        let env = state.env.borrow().clone();
        let (req, response) = (response.request().clone(), response.response_mut());
        let is_success = response.status().is_success();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(state.id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        default_header(headers, CACHE_CONTROL, "no-store");
        default_header(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
        default_header(headers, REFERRER_POLICY, "no-referrer");
        if let Some(rate) = state.rate.get() {
            headers.insert(RATE_LIMIT, HeaderValue::from(rate.limit));
            headers.insert(RATE_REMAINING, HeaderValue::from(rate.remaining));
            headers.insert(RATE_RESET, HeaderValue::from(rate.reset));
        }
        if let Some(cursor) = state.event_cursor.take()
            && is_success
            && let Ok(cursor) = HeaderValue::try_from(cursor)
        {
            headers.insert(EVENT_CURSOR, cursor);
        }
        if self.app.surface == Surface::Fapi
            && let Some(env) = env
        {
            if req.method() != Method::OPTIONS {
                cors::answer(&env, req.path(), req.headers(), headers);
            }
            for cookie in state.jar.headers(&env) {
                headers.append(SET_COOKIE, cookie);
            }
        }
    }

    /// Makes an error the answer that leaves; the code of the first thing that was refused.
    fn render(&self, state: &RequestState, response: &mut ServiceResponse<BoxBody>) -> Option<Code> {
        let error = response.response().error()?;
        let refused =
            error.as_error::<ApiError>().and_then(|known| known.refused().first()).map(|problem| problem.code);
        let answer = match error.as_error::<ApiError>() {
            Some(known) => {
                log_fault(known, state.id);
                Answer::of(known, state.surface, Some(state.id))
            }
            None => {
                let (answer, is_fault) = Answer::of_foreign(error, state.surface, Some(state.id));
                if is_fault {
                    tracing::error!(request.id = %state.id, error.chain = %error, "a request failed on our side");
                }
                answer
            }
        };
        let mut rendered = HttpResponse::new(answer.status);
        // Such as `Allow`: what the error's own response said besides its body stays.
        *rendered.headers_mut() = response.headers().clone();
        for (name, value) in answer.headers {
            rendered.headers_mut().insert(name, value);
        }
        *response.response_mut() = rendered.set_body(BoxBody::new(answer.body));
        refused
    }

    /// Writes down for the audit log what was tried and did not succeed, what somebody known may not do, and what an
    /// operator wanted changed in vain. What failed on our side was refused to nobody, and what cannot be read is none of
    /// an operator's acts.
    async fn write_down(&self, state: &RequestState, response: &ServiceResponse<BoxBody>, refused: Option<Code>) {
        let mut attempts = state.attempts.take();
        let is_forbidden =
            response.status() == StatusCode::FORBIDDEN && refused.is_some_and(|c| !EXPECTED.contains(&c));
        let is_in_vain = is_change_of_operator(state)
            && matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::CONFLICT)
            && refused.is_some_and(|c| !OF_CLAIMS.contains(&c));
        if (attempts.is_empty() && !is_forbidden && !is_in_vain) || response.status().is_server_error() {
            return;
        }
        let Some(env) = state.env.borrow().clone() else { return };
        let cx = state.context(response.request().headers(), &env);
        if attempts.is_empty()
            && let Some(actor) = cx.actor.id()
        {
            let actor = format!("{}:{actor}", cx.actor.kind().as_str());
            attempts.push(if is_forbidden {
                (Denial::RequestForbidden, actor)
            } else {
                (Denial::OperatorRefused, subject_of(response.request().path()).unwrap_or(actor))
            });
        }
        if attempts.is_empty() {
            return;
        }
        // Boxed: a transaction is a large state, and every request would carry it.
        if let Err(error) = Box::pin(engine::audit::refused(&self.engine, &cx, attempts)).await {
            let chain = crate::error::chain(&error);
            tracing::error!(request.id = %state.id, error.chain = chain, "a refusal is not in the audit log");
        }
    }

    /// Gives a claim back when nothing was done: only successes are replayed.
    async fn release(&self, state: &RequestState, status: StatusCode) {
        let Some((cx, claim)) = state.claim.take() else { return };
        if status.is_success() {
            return;
        }
        // Boxed: a transaction is a large state, and every request would carry it.
        if let Err(error) = Box::pin(engine::idempotency::release(&self.engine, &cx, &claim)).await {
            let chain = crate::error::chain(&error);
            tracing::error!(request.id = %state.id, error.chain = chain, "an idempotency claim stays until it runs out");
        }
    }
}

/// Whether an operator asked for a change with a key that may ask for it.
fn is_change_of_operator(state: &RequestState) -> bool {
    let of_operators = |env: &Arc<Environment>| env.is_admin();
    let is_change = state.route.get().is_some_and(|route| route.operation.group == OPERATORS && !route.operation.reads);
    is_change && matches!(state.actor.get(), Actor::ApiKey(_)) && state.env.borrow().as_ref().is_some_and(of_operators)
}

/// What the path of an operator's request is about: the last thing that it names.
fn subject_of(path: &str) -> Option<String> {
    path.split('/').rev().find_map(|segment| {
        let key = segment.parse::<ApiKeyId>().map(|id| format!("api_key:{id}"));
        let environment = || segment.parse::<EnvironmentId>().map(|id| format!("environment:{id}"));
        let project = || segment.parse::<ProjectId>().map(|id| format!("project:{id}"));
        key.or_else(|_| environment()).or_else(|_| project()).ok()
    })
}

fn default_header(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
