//! A window on every statement, for tests.
use crate::backend::EngineKind;
use std::sync::OnceLock;

type Observer = Box<dyn Fn(EngineKind, &str) + Send + Sync>;

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Shows the text of every query built from now on to `observer`; false when there is one already.
///
/// Meant for tests that EXPLAIN what the product asks. Texts hold `$n`, never a value.
pub fn observe(observer: impl Fn(EngineKind, &str) + Send + Sync + 'static) -> bool {
    OBSERVER.set(Box::new(observer)).is_ok()
}

pub(crate) fn saw(engine: EngineKind, sql: &str) {
    if let Some(observer) = OBSERVER.get() {
        observer(engine, sql);
    }
}
