//! What one request carries from the edge to its extractors and back.

use crate::cookies::Jar;
use crate::error::{ApiError, NoEdge};
use crate::limits::Rate;
use crate::routing::Route;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use domain::audit::Attempts;
use domain::context::IdempotencyClaim;
use domain::environment::Environment;
use domain::{Actor, Context, RequestId, Surface, Timestamp};
use engine::Engine;
use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// How much of a `User-Agent` is kept.
const USER_AGENT_MAX: usize = 512;

/// The state of one request.
pub(crate) struct RequestState {
    pub id: RequestId,
    pub now: Timestamp,
    pub surface: Surface,
    pub ip: Option<IpAddr>,
    pub env: RefCell<Option<Arc<Environment>>>,
    pub jar: Jar,
    /// The bucket that came closest to empty.
    pub rate: Cell<Option<Rate>>,
    /// On whose behalf, and who acts in that one's place: known once the caller is.
    pub actor: Cell<Actor>,
    pub impersonator: RefCell<Option<String>>,
    /// What was tried and has not succeeded.
    pub attempts: Attempts,
    /// A claim that an answer other than 2xx gives back.
    pub claim: RefCell<Option<(Context, IdempotencyClaim)>>,
    /// The device cookie's value, sent in the URL: development environments only.
    pub linked_device: RefCell<Option<crypto::Secret<String>>>,
    /// Where the event log ended before the list of the answer was read.
    pub event_cursor: RefCell<Option<String>>,
    pub gate: Gate,
    /// The route that was found.
    pub route: OnceCell<Rc<Route>>,
}

impl RequestState {
    pub fn new(id: RequestId, now: Timestamp, surface: Surface, ip: Option<IpAddr>) -> Self {
        Self {
            id,
            now,
            surface,
            ip,
            env: RefCell::default(),
            jar: Jar::default(),
            rate: Cell::default(),
            actor: Cell::new(Actor::Anyone),
            impersonator: RefCell::default(),
            attempts: Attempts::default(),
            claim: RefCell::default(),
            linked_device: RefCell::default(),
            event_cursor: RefCell::default(),
            gate: Gate::default(),
            route: OnceCell::default(),
        }
    }

    /// The state the edge gave to a request.
    pub fn of(req: &HttpRequest) -> Result<Rc<Self>, ApiError> {
        req.extensions().get::<Rc<Self>>().cloned().ok_or_else(|| ApiError::fault(NoEdge))
    }

    /// What an operation is told about this request, as far as it is known by now.
    pub fn context(&self, headers: &HeaderMap, env: &Environment) -> Context {
        let user_agent = headers.get(actix_web::http::header::USER_AGENT);
        Context {
            impersonator: self.impersonator.borrow().clone(),
            env: env.id,
            actor: self.actor.get(),
            surface: self.surface,
            now: self.now,
            request_id: self.id,
            ip: self.ip,
            user_agent: user_agent
                .and_then(|v| v.to_str().ok())
                .map(|ua| ua.get(..USER_AGENT_MAX).unwrap_or(ua).to_owned()),
            reason: None,
            keeps_full_ip: env.settings.audit_full_ip,
            was_test: false,
            attempts: self.attempts.clone(),
            idempotency: None,
        }
    }

    /// Keeps the bucket that is nearest to empty: the one the caller should slow down for.
    pub fn note_rate(&self, rate: Rate) {
        if self.rate.get().is_none_or(|known| rate.remaining < known.remaining) {
            self.rate.set(Some(rate));
        }
    }
}

/// Holds what is read from a request back until its caller is known, whatever the order of the arguments:
/// a stranger hears 401, never what is wrong with a body.
#[derive(Default)]
pub(crate) struct Gate {
    pending: Cell<u32>,
    // All extractors of a handler are one task, so one waker is enough.
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn enter(&self) {
        self.pending.set(self.pending.get() + 1);
    }

    fn leave(&self) {
        self.pending.set(self.pending.get().saturating_sub(1));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn open(&self) {
        poll_fn(|cx| {
            if self.pending.get() == 0 {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// A request with what every extractor needs.
pub(crate) struct Asked {
    pub req: HttpRequest,
    pub state: Rc<RequestState>,
    pub engine: Data<Engine>,
}

impl Asked {
    pub fn of(req: &HttpRequest) -> Result<Self, ApiError> {
        let engine = req.app_data::<Data<Engine>>().cloned().ok_or_else(|| ApiError::fault(NoEdge))?;
        Ok(Self { req: req.clone(), state: RequestState::of(req)?, engine })
    }

    /// The environment that the edge resolved.
    pub fn env(&self) -> Result<Arc<Environment>, ApiError> {
        self.state.env.borrow().clone().ok_or_else(|| ApiError::fault(NoEdge))
    }

    /// A header that must not come twice; `None` when it is absent, repeated or not visible ASCII.
    pub fn header(&self, name: impl actix_web::http::header::AsHeaderName) -> Option<&str> {
        let mut values = self.req.headers().get_all(name);
        let value = values.next()?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    }

    /// What an operation is told about this request.
    pub fn context(&self, env: &Environment, actor: Actor) -> Context {
        self.state.actor.set(actor);
        self.state.context(self.req.headers(), env)
    }
}

/// Runs the extractor of a caller: everything else of the request waits for it.
pub(crate) fn caller<T, F>(req: &HttpRequest, find: F) -> LocalBoxFuture<'static, Result<T, ApiError>>
where
    T: 'static,
    F: AsyncFnOnce(&Asked) -> Result<T, ApiError> + 'static,
{
    let asked = Asked::of(req);
    if let Ok(asked) = &asked {
        asked.state.gate.enter();
    }
    Box::pin(async move {
        let asked = asked?;
        let found = find(&asked).await?;
        asked.state.gate.leave();
        Ok(found)
    })
}

/// Runs an extractor of something sent, once the caller is known.
pub(crate) fn after_caller<T, F>(req: &HttpRequest, read: F) -> LocalBoxFuture<'static, Result<T, ApiError>>
where
    T: 'static,
    F: AsyncFnOnce(&HttpRequest) -> Result<T, ApiError> + 'static,
{
    let req = req.clone();
    Box::pin(async move {
        RequestState::of(&req)?.gate.open().await;
        read(&req).await
    })
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use futures_util::future::{FutureExt, poll_immediate};

    #[actix_web::test]
    async fn what_was_sent_waits_until_the_caller_is_known() {
        let gate = Gate::default();
        gate.enter();
        let mut reading = Box::pin(gate.open());
        assert!(poll_immediate(&mut reading).await.is_none());

        let ((), ()) = futures_util::join!(reading, async { gate.leave() });

        assert!(gate.open().now_or_never().is_some(), "and is open from then on");
    }
}
