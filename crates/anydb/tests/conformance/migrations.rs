//! Migrations: both folders in one order, once, whoever runs them.
use crate::place;
use anydb::migrate::{self, Status};
use anydb::{Database, Error, Options};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

const SHARED: EmbeddedMigrations = embed_migrations!("tests/conformance/migrations/shared");
const POSTGRES: EmbeddedMigrations = embed_migrations!("tests/conformance/migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("tests/conformance/migrations/sqlite");
const CLASH: EmbeddedMigrations = embed_migrations!("tests/conformance/migrations/clash");

const ALL: [&str; 3] = ["2026-01-01-000001_teams", "2026-01-01-000002_order", "2026-01-01-000003_people"];

async fn run(url: &str) -> Result<Vec<String>, Error> {
    migrate::run(url, SHARED, POSTGRES, SQLITE).await
}

async fn pending(url: &str) -> Vec<String> {
    migrate::pending(url, SHARED, POSTGRES, SQLITE).await.unwrap()
}

/// Makes `name::sqlite` and `name::postgres` of each test of an empty database.
macro_rules! empty { ($(async fn $name:ident($url:ident) $body:block)*) => { $(
    mod $name {
        use super::*;
        async fn check($url: String) $body
        #[test]
        fn sqlite() {
            place::runtime().block_on(place::with_sqlite(check));
        }
        #[test]
        fn postgres() {
            place::runtime().block_on(place::with_postgres(check));
        }
    }
)* } }

empty! {
    async fn both_folders_run_in_one_order_and_once(url) {
        let before = pending(&url).await;
        let first = run(&url).await.unwrap();
        let second = run(&url).await.unwrap();

        assert_eq!(before, ALL);
        assert_eq!(first, ALL);
        assert!(second.is_empty());
        assert!(pending(&url).await.is_empty());
    }

    async fn four_processes_at_once_run_each_migration_once(url) {
        let threads: Vec<_> = (0..4).map(|_| {
            let url = url.clone();
            std::thread::spawn(move || place::runtime().block_on(run(&url)))
        }).collect();
        let mut ran: Vec<String> = Vec::new();
        for thread in threads {
            ran.extend(thread.join().unwrap().unwrap());
        }

        assert_eq!(ran, ALL);
        let handle = Database::open(Options::new(&url)).unwrap().handle();
        let founders: Vec<(String, Option<String>)> = teams::table
            .select((teams::id, teams::motto))
            .load(&mut *handle.read().await.unwrap()).await.unwrap();
        assert_eq!(founders, [("t0".to_owned(), Some("first; last".to_owned()))]);
    }

    async fn a_newer_schema_is_noticed(url) {
        run(&url).await.unwrap();

        let none = || EmbeddedMigrations::new(&[]);
        let status = migrate::status(&url, SHARED, none(), none()).await.unwrap();

        assert_eq!(status, Status { pending: vec![], unknown: vec!["20260101000002".to_owned()] });
    }

    async fn two_migrations_of_one_version_are_refused(url) {
        let refused = migrate::run(&url, SHARED, CLASH, CLASH).await;

        assert!(matches!(refused, Err(Error::Migration(_))), "{refused:?}");
        assert_eq!(pending(&url).await, ALL);
    }

    async fn a_broken_migration_leaves_no_part_of_itself(url) {
        // `teams` is made by the shared folder; the overlay's index on it cannot come first.
        let none = || EmbeddedMigrations::new(&[]);
        let broken = migrate::run(&url, none(), POSTGRES, SQLITE).await;

        assert!(matches!(broken, Err(Error::Migration(_))), "{broken:?}");
        assert_eq!(run(&url).await.unwrap(), ALL);
    }
}

#[test]
fn asking_what_is_pending_makes_no_file() {
    place::runtime().block_on(place::with_sqlite(async |url| {
        assert_eq!(pending(&url).await, ALL);

        assert!(!std::path::Path::new(url.trim_start_matches("sqlite:")).exists());
    }));
}

diesel::table! { teams (id) { id -> Text, motto -> Nullable<Text>, } }
