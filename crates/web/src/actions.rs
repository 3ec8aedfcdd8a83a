//! What each route of the backend API asks of a key: made from the routes themselves, so that none can be left out.

use crate::error::ApiError;
use crate::routing::{Routes, ServiceConfig};
use domain::action::{Actions, Catalogue, Operation, of_group};
use domain::key::SecretAge;
use domain::{Kind, Problem, code};
use serde_json::Map;
use std::sync::Arc;

/// The operations of a surface.
#[derive(Clone, Default)]
pub struct Operations {
    catalogue: Arc<Catalogue>,
}

impl Operations {
    /// The operations of a surface that is not served.
    pub fn named_by(routes: fn(&mut ServiceConfig)) -> Self {
        Self::of(&ServiceConfig::known(routes))
    }

    /// The operations of the routes.
    pub(crate) fn of(routes: &Routes) -> Self {
        Self { catalogue: Arc::new(Catalogue::new(routes.operations().cloned().collect())) }
    }

    /// What a key can be restricted to.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue)
    }
}

/// Who asks whether a key works at all; every key may.
const PING: &str = "_ping";

/// Refuses a key that may not do what is asked.
pub(crate) fn admit(operation: &Operation, actions: &Actions) -> Result<(), ApiError> {
    if actions.named().is_none() || operation.group == PING || actions.allow(operation) {
        return Ok(());
    }
    let problem = Problem { kind: Kind::Forbidden, code: code::FORBIDDEN, meta: Map::new() };
    Err(ApiError::problem(problem.with("permission", of_group(&operation.group, operation.reads))))
}

/// Refuses a secret that is being replaced where keys are made, changed and ended: whoever has stolen it is not to get
/// another, nor an answer that was kept.
pub(crate) fn admit_secret(operation: &Operation, age: SecretAge) -> Result<(), ApiError> {
    match age {
        SecretAge::Retiring if operation.manages_keys() => {
            Err(ApiError::refuse(Kind::Forbidden, code::API_KEY_SECRET_RETIRING))
        }
        SecretAge::Newest | SecretAge::Retiring => Ok(()),
    }
}

/// The first segment of a path behind its version.
pub(crate) fn group(path: &str) -> &str {
    path.trim_start_matches('/').split('/').find(|segment| *segment != "v1").unwrap_or_default()
}
