//! An environment of a test, with the keys to it.

use domain::EnvironmentId;
use domain::environment::Environment;
use engine::bootstrap::Bootstrapped;

/// An environment with its keys.
#[derive(Clone)]
pub struct TestEnvironment {
    /// Its id.
    pub id: EnvironmentId,
    /// The base URL of its FAPI, and the `iss` of its tokens.
    pub issuer: String,
    /// The key for browsers.
    pub publishable_key: String,
    /// The key for backends.
    pub secret_key: String,
    /// The environment as it was made.
    pub made: Environment,
}

impl TestEnvironment {
    pub(crate) fn of(made: Bootstrapped) -> Self {
        let secret = made.secret_key.expect("a new environment comes with its secret key");
        Self {
            id: made.environment.id,
            issuer: made.environment.issuer.clone(),
            publishable_key: made.publishable_key,
            secret_key: secret.expose().clone(),
            made: made.environment,
        }
    }
}

// A failing test may print it; the key stays out of logs all the same.
impl std::fmt::Debug for TestEnvironment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestEnvironment").field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
