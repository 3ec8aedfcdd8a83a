//! One test, both engines.

use crate::app::TestApp;
use crate::database::PostgresServer;
use crate::setup::Setup;
use std::sync::{Condvar, Mutex, PoisonError};

/// Makes `name::sqlite` and `name::postgres` of each test: an `async fn` that takes a [`TestApp`].
///
/// With `on |engine| setup` in front of the tests they get the platform of that setup.
#[macro_export]
macro_rules! both {
    ($($(#[$attribute:meta])* async fn $name:ident($app:ident: $kind:ident) $body:block)+) => {
        $crate::both! { on |engine| $crate::Setup::on(engine); $($(#[$attribute])* async fn $name($app: $kind) $body)+ }
    };
    (on |$engine:ident| $setup:expr; $($(#[$attribute:meta])* async fn $name:ident($app:ident: $kind:ident) $body:block)+) => { $(
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn test($app: $kind) $body

            fn setup($engine: $crate::EngineKind) -> $crate::Setup {
                $setup
            }
            #[test]
            fn sqlite() {
                $crate::run(setup($crate::EngineKind::Sqlite), test);
            }
            #[test]
            fn postgres() {
                if let Some(_turn) = $crate::Turn::take() {
                    $crate::run(setup($crate::EngineKind::Postgres), test);
                }
            }
        }
    )+ };
}

/// Runs a test on a platform of its own, in a runtime of its own.
pub fn run<F: Future<Output = ()>>(setup: Setup, test: impl FnOnce(TestApp) -> F) {
    actix_web::rt::System::new().block_on(async move {
        let app = setup.start().await;
        test(app).await;
    });
}

/// How many platforms may stand on the server at a time: its connections are few.
const AT_ONCE: usize = 4;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A test's turn on PostgreSQL; ends when it is dropped.
pub struct Turn(());

impl Turn {
    /// Waits for a turn; `None`, said loudly once, when there is no server.
    pub fn take() -> Option<Self> {
        PostgresServer::find()?;
        let running = RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running =
            RUNNING.1.wait_while(running, |running| *running >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Some(Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RUNNING.1.notify_one();
    }
}
