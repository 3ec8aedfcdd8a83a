//! Which handler takes a request: looked up once and segment by segment, before anything else runs.
//!
//! The router underneath tries one regular expression after the other. Here every route stands behind a guard that
//! lets only the route pass that was found, so that one expression is tried, whatever the number of routes.

use crate::actions;
use crate::docs;
use crate::limits::{Allowance, bucket_of_route};
use crate::state::RequestState;
use actix_web::Scope;
use actix_web::dev::HttpServiceFactory;
use actix_web::guard::{self, GuardContext};
use actix_web::http::Method;
use domain::action::Operation;
use std::collections::HashMap;
use std::rc::Rc;
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::{RefOr, Schema};
use utoipa_actix_web::OpenApiFactory;

/// Takes the routes of a surface, to serve them or to describe them: what is served is what is documented.
pub struct ServiceConfig(Purpose);

enum Purpose {
    Serve(Vec<Waiting>),
    Describe(Description),
}

/// The paths of a surface, and the schemas that they name.
#[derive(Default)]
pub(crate) struct Description {
    pub paths: Paths,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

struct Waiting {
    pattern: String,
    method: Method,
    operation: Operation,
    mount: Box<dyn FnOnce(Scope) -> Scope>,
}

impl ServiceConfig {
    /// Adds a handler.
    pub fn service<F>(&mut self, handler: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + utoipa::Path + 'static,
    {
        match &mut self.0 {
            Purpose::Serve(waiting) => {
                let mount = move |scope: Scope| scope.service(handler);
                let (pattern, method) = (F::path(), F::methods().first().map_or(Method::GET, name));
                let operation = Operation {
                    id: docs::camel(&F::operation().operation_id.unwrap_or_default()),
                    group: actions::group(&pattern).to_owned(),
                    reads: method == Method::GET,
                };
                waiting.push(Waiting { pattern, method, operation, mount: Box::new(mount) });
            }
            Purpose::Describe(description) => {
                description.paths.merge(handler.paths());
                handler.schemas(&mut description.schemas);
            }
        }
        self
    }

    /// Adds the routes of a module.
    pub fn configure(&mut self, routes: impl FnOnce(&mut Self)) -> &mut Self {
        routes(self);
        self
    }

    /// What the routes say of themselves. It takes megabytes on the way: nothing for a worker thread.
    pub(crate) fn describe(routes: fn(&mut Self)) -> Description {
        let mut config = Self(Purpose::Describe(Description::default()));
        routes(&mut config);
        match config.0 {
            Purpose::Describe(description) => description,
            Purpose::Serve(_) => Description::default(),
        }
    }

    /// The routes, mounted nowhere.
    pub(crate) fn known(routes: fn(&mut Self)) -> Routes {
        let mut config = Self(Purpose::Serve(Vec::new()));
        routes(&mut config);
        let mut known = Routes::default();
        if let Purpose::Serve(waiting) = config.0 {
            for Waiting { pattern, method, operation, .. } in waiting {
                known.add(pattern, method, operation);
            }
        }
        known
    }

    /// Mounts the routes, each behind its guard.
    pub(crate) fn mount(routes: fn(&mut Self), app: &mut actix_web::web::ServiceConfig) -> Routes {
        let mut config = Self(Purpose::Serve(Vec::new()));
        routes(&mut config);
        let mut known = Routes::default();
        let mut groups: Vec<Scope> = Vec::new();
        if let Purpose::Serve(waiting) = config.0 {
            for Waiting { pattern, method, operation, mount } in waiting {
                let route = known.add(pattern, method, operation);
                let (group, index) = (route.group, route.index);
                if group == groups.len() {
                    groups.push(actix_web::web::scope("").guard(found(move |route| route.group == group)));
                }
                // The place is there: a group is numbered by the order in which it came.
                let scope = std::mem::replace(&mut groups[group], actix_web::web::scope(""));
                let alone = actix_web::web::scope("").guard(found(move |route| route.index == index));
                groups[group] = scope.service(mount(alone));
            }
        }
        for group in groups {
            app.service(group);
        }
        known
    }
}

/// Lets a request pass whose route was found and fits.
fn found(fits: impl Fn(&Route) -> bool) -> impl guard::Guard {
    guard::fn_guard(move |cx: &GuardContext<'_>| {
        let data = cx.req_data();
        data.get::<Rc<RequestState>>().and_then(|state| state.route.get()).is_some_and(|route| fits(route))
    })
}

fn name(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// A route of a surface.
#[derive(Debug)]
pub(crate) struct Route {
    /// The path as it is documented: `/v1/users/{user_id}`.
    pub pattern: String,
    /// The bucket in which a backend's requests are counted, and what production allows in it.
    pub bucket: (String, Allowance),
    /// What a key must be allowed to do.
    pub operation: Operation,
    method: Method,
    segments: Vec<Segment>,
    group: usize,
    /// Its number on the surface, from 0.
    pub index: usize,
}

#[derive(Debug)]
enum Segment {
    Fixed(String),
    /// A parameter, and what has to follow it, such as `.json`.
    Any(String),
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        let mut wanted = path.split('/');
        let all = self.segments.iter().all(|segment| match (segment, wanted.next()) {
            (Segment::Fixed(fixed), Some(text)) => fixed == text,
            (Segment::Any(ending), Some(text)) => text.len() > ending.len() && text.ends_with(ending.as_str()),
            (_, None) => false,
        });
        all && wanted.next().is_none()
    }
}

/// The routes of a surface.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    groups: HashMap<String, Vec<Rc<Route>>>,
    len: usize,
}

impl Routes {
    fn add(&mut self, pattern: String, method: Method, operation: Operation) -> Rc<Route> {
        let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((_, ending)) => Segment::Any(ending.to_owned()),
            None => Segment::Fixed(text.to_owned()),
        };
        let groups = self.groups.len();
        let group = self.groups.entry(actions::group(&pattern).to_owned()).or_default();
        let route = Rc::new(Route {
            segments: pattern.split('/').map(segment).collect(),
            bucket: bucket_of_route(&method, &pattern),
            group: group.first().map_or(groups, |first| first.group),
            index: self.len,
            pattern,
            operation,
            method,
        });
        group.push(Rc::clone(&route));
        self.len += 1;
        route
    }

    /// What can be asked for at all.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.groups.values().flatten().map(|route| &route.operation)
    }

    /// The route that takes a request; where two do, the one that was added first.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Rc<Route>> {
        self.groups.get(actions::group(path))?.iter().find(|route| route.method == *method && route.fits(path))
    }

    /// The methods that some route takes at this path; none when no route is there.
    pub fn methods<'a>(&'a self, path: &str) -> Vec<&'a str> {
        let mut methods: Vec<&str> = Vec::new();
        for route in self.groups.get(actions::group(path)).into_iter().flatten().filter(|route| route.fits(path)) {
            if !methods.contains(&route.method.as_str()) {
                methods.push(route.method.as_str());
            }
        }
        methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Routes {
        let mut routes = Routes::default();
        for (method, pattern) in [
            (Method::GET, "/v1/users/count"),
            (Method::GET, "/v1/users/{user_id}"),
            (Method::PATCH, "/v1/users/{user_id}"),
            (Method::POST, "/v1/users/{user_id}/ban"),
            (Method::GET, "/v1/me"),
            (Method::GET, "/.well-known/jwks.json"),
            (Method::GET, "/.well-known/of/{name}.json"),
        ] {
            let group = actions::group(pattern).to_owned();
            routes.add(pattern.to_owned(), method, Operation { id: String::new(), group, reads: false });
        }
        routes
    }

    #[test]
    fn routes_know_their_methods() {
        let routes = sample();
        assert_eq!(routes.methods("/v1/users/user_1"), ["GET", "PATCH"]);
        assert_eq!(routes.methods("/v1/users/user_1/ban"), ["POST"]);
        for unknown in ["/v1/users", "/v1/users/", "/v1/users/a/b", "//v1/users/a", "/v1/users/a/", "/v1//users/a", ""]
        {
            assert!(routes.methods(unknown).is_empty(), "{unknown}");
        }
    }

    #[test]
    fn a_request_has_one_route() {
        let routes = sample();
        let pattern = |method, path| routes.find(&method, path).map(|route| route.pattern.as_str());
        assert_eq!(pattern(Method::GET, "/v1/users/count"), Some("/v1/users/count"), "what was added first");
        assert_eq!(pattern(Method::GET, "/v1/users/user_1"), Some("/v1/users/{user_id}"));
        assert_eq!(pattern(Method::GET, "/v1/me"), Some("/v1/me"));
        assert_eq!(pattern(Method::GET, "/.well-known/jwks.json"), Some("/.well-known/jwks.json"));
        assert_eq!(pattern(Method::GET, "/.well-known/of/a.json"), Some("/.well-known/of/{name}.json"));
        for other in ["/.well-known/of/a", "/.well-known/of/.json", "/.well-known/of/a.json/"] {
            assert_eq!(pattern(Method::GET, other), None, "{other}");
        }
        assert_eq!(pattern(Method::DELETE, "/v1/me"), None);
        for encoded in ["/v1/%6De", "/v1/me%2F", "/v1/ME", "/v1/me;x", "/v1/./me", "/me"] {
            assert_eq!(pattern(Method::GET, encoded), None, "{encoded}");
        }
    }

    #[test]
    fn groups_and_routes_are_numbered_as_they_come() {
        let routes = sample();
        let numbers = |method, path| routes.find(&method, path).map(|route| (route.group, route.index));
        assert_eq!(numbers(Method::POST, "/v1/users/a/ban"), Some((0, 3)));
        assert_eq!(numbers(Method::GET, "/v1/me"), Some((1, 4)));
        assert_eq!(numbers(Method::GET, "/.well-known/jwks.json"), Some((2, 5)));
    }
}
