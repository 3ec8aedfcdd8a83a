//! What each route of the backend API asks of a key: made from the document, so that no route can be left out.

use crate::docs;
use crate::error::ApiError;
use actix_web::HttpRequest;
use actix_web::http::Method;
use domain::action::{Actions, Catalogue, Operation, of_group};
use domain::{Kind, Problem, code};
use serde_json::Map;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::openapi::OpenApi;

/// The operations of a surface by their routes.
#[derive(Clone, Default)]
pub struct Operations {
    /// By method and pattern: `GET /v1/users`.
    routes: HashMap<String, Operation>,
    catalogue: Arc<Catalogue>,
}

impl Operations {
    /// The operations of a document.
    pub fn of(document: &OpenApi) -> Self {
        let mut routes = HashMap::new();
        for (method, path, operation) in docs::operations(document) {
            let Some(id) = &operation.operation_id else { continue };
            let method = docs::method_name(&method);
            let operation = Operation { id: docs::camel(id), group: group(path).to_owned(), reads: method == "GET" };
            routes.insert(format!("{method} {path}"), operation);
        }
        let catalogue = Arc::new(Catalogue::new(routes.values().cloned().collect()));
        Self { routes, catalogue }
    }

    /// What a key can be restricted to.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue)
    }

    /// Refuses a key that may not do what is asked. A restricted key does nothing that the document does not name.
    pub(crate) fn admit(&self, req: &HttpRequest, actions: &Actions) -> Result<(), ApiError> {
        if actions.named().is_none() {
            return Ok(());
        }
        let pattern = req.match_pattern().unwrap_or_default();
        let reads = matches!(*req.method(), Method::GET | Method::HEAD);
        let method = if reads { "GET" } else { req.method().as_str() };
        if self.routes.get(&format!("{method} {pattern}")).is_some_and(|operation| actions.allow(operation)) {
            return Ok(());
        }
        let action = of_group(group(&pattern), reads);
        let problem = Problem { kind: Kind::Forbidden, code: code::FORBIDDEN, meta: Map::new() };
        Err(ApiError::problem(problem.with("permission", action)))
    }
}

/// The first segment of a path behind its version.
pub(crate) fn group(path: &str) -> &str {
    path.trim_start_matches('/').split('/').find(|segment| *segment != "v1").unwrap_or_default()
}
