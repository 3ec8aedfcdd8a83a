//! One line and two metrics for each request; no address, no query, no secret in any of them.

use crate::health::Probes;
use crate::state::RequestState;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use metrics::{Counter, Histogram};
use std::cell::RefCell;
use std::time::Instant;

/// The route of what no route takes, in the metrics.
const UNMATCHED: &str = "unmatched";

/// What is kept of a request for its report, before it is handled.
pub(crate) struct Seen {
    caller_id: Option<String>,
    is_probe: bool,
}

impl Seen {
    pub fn of(req: &ServiceRequest, probes: Probes) -> Self {
        let caller_id = req.headers().get(super::REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_proper);
        Self { caller_id: caller_id.map(str::to_owned), is_probe: probes.answer(req.path()) }
    }
}

/// A caller's own id may be logged when it can be nothing but an id.
fn is_proper(id: &&str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The method, from a set of bounded size.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Reports a request that was answered.
pub(crate) fn report(state: &RequestState, seen: &Seen, response: &ServiceResponse<BoxBody>, started: Instant) {
    if seen.is_probe {
        return;
    }
    let elapsed = started.elapsed();
    let request = response.request();
    let method = method(request.method());
    let status = response.status().as_u16();
    let surface = state.surface.as_str();
    METERS.with_borrow_mut(|meters| {
        // Routes are numbered within their surface; what no route took comes first.
        let (place, name) = state.route.get().map_or((0, UNMATCHED), |route| (route.index + 1, route.pattern.as_str()));
        if meters.len() <= place {
            meters.resize_with(place + 1, Vec::new);
        }
        let Some(of_route) = meters.get_mut(place) else { return };
        let key = (surface, method, status);
        let index = of_route.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            // The pattern, never the path: paths hold ids and have no bound.
            of_route.push((key, Meter::of(name.to_owned(), key)));
            of_route.len() - 1
        });
        let Some((_, meter)) = of_route.get(index) else { return };
        tracing::info!(
            request.id = %state.id,
            request.caller_id = seen.caller_id,
            surface,
            http.method = method,
            http.route = meter.route,
            http.status = status,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        meter.duration.record(elapsed.as_secs_f64());
        meter.requests.increment(1);
    });
}

/// A surface, a method and a status.
type Labels = (&'static str, &'static str, u16);

thread_local! {
    // Looking a metric up costs more than counting; there are as many as routes, methods and statuses.
    static METERS: RefCell<Vec<Vec<(Labels, Meter)>>> = RefCell::default();
}

struct Meter {
    route: String,
    duration: Histogram,
    requests: Counter,
}

impl Meter {
    fn of(route: String, (surface, method, status): Labels) -> Self {
        let labels = [
            ("surface", surface.to_owned()),
            ("route", route.clone()),
            ("method", method.to_owned()),
            ("status", status.to_string()),
        ];
        Self {
            duration: metrics::histogram!("http_request_duration_seconds", &labels[..3]),
            requests: metrics::counter!("http_requests_total", &labels),
            route,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_id_is_logged_only_when_it_can_be_nothing_else() {
        assert!(is_proper(&"0b6f2d34-5a1c.x_1"));
        for bad in ["", "a b", "a\nb", "ä", &"x".repeat(129)] {
            assert!(!is_proper(&bad), "{bad:?}");
        }
    }

    #[test]
    fn strange_methods_share_one_label() {
        assert_eq!(method(&Method::PATCH), "PATCH");
        assert_eq!(method(&Method::from_bytes(b"X-1").unwrap()), "other");
    }
}
