//! What happens when there is not enough: connections, time, or a server.
use crate::both;
use crate::place;
use crate::schema::{Person, ids, insert, people};
use anydb::{Conn, Database, Error, Options, Tx};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use std::time::{Duration, Instant};

#[derive(diesel::QueryableByName)]
#[diesel(check_for_backend(anydb::Any))]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Minutes of work for either engine.
async fn count_for_long(conn: &mut Conn) -> Result<i64, Error> {
    let query = diesel::sql_query(
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000000) \
         SELECT COUNT(*) AS count FROM n",
    );
    Ok(query.get_result::<Count>(conn).await?.count)
}

both! {
    async fn without_a_free_connection_a_caller_is_told_in_time(place) {
        let handle = place.again(|options| {
            options.max_connections = 2;
            options.readers = 2;
            options.acquire_timeout = Duration::from_millis(50);
        }).handle();
        let held = (handle.read().await.unwrap(), handle.read().await.unwrap());
        let asked = Instant::now();

        let refused = handle.read().await;
        let waited = asked.elapsed();
        drop(held);
        let served = handle.ping().await;

        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        assert!(served.is_ok(), "{served:?}");
    }

    async fn a_scan_ends_at_its_deadline(place) {
        let handle = place.again(|options| options.scan_slots = 1).handle();
        let asked = Instant::now();

        let late = handle.scan(Duration::from_millis(100), async |conn| {
            count_for_long(conn).await
        }).await;
        let waited = asked.elapsed();
        // The only slot is free again: nothing goes on behind the caller's back.
        let next = handle.scan(Duration::from_secs(20), async |conn| {
            Ok::<_, Error>(people::table.count().get_result::<i64>(conn).await?)
        }).await;

        assert!(matches!(late, Err(Error::Deadline)), "{late:?}");
        assert!(waited < Duration::from_secs(5), "{waited:?}");
        assert_eq!(next.ok(), Some(0));
    }

    async fn a_scan_without_a_caller_is_broken_off(place) {
        let handle = place.again(|options| options.scan_slots = 1).handle();
        let asked = Instant::now();

        let hour = Duration::from_secs(3600);
        let long = handle.scan(hour, async |conn| count_for_long(conn).await);
        let given_up = tokio::time::timeout(Duration::from_millis(100), long).await;
        let next = handle.scan(hour, async |conn| {
            Ok::<_, Error>(people::table.count().get_result::<i64>(conn).await?)
        }).await;

        assert!(given_up.is_err());
        assert_eq!(next.ok(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(20));
    }

    async fn a_scan_sees_one_moment(place) {
        let (database, before) = (place.database.clone(), std::sync::atomic::AtomicBool::new(true));
        // On SQLite a scan awaits nothing but its connection, so the write comes from a thread.
        let writer = move || {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    crate::place::runtime().block_on(database.handle().write(async |tx: &mut Tx<'_>| {
                        insert(tx, &Person::new("late")).await
                    })).unwrap();
                });
            });
        };

        let seen = place.handle.scan(Duration::from_secs(30), async move |conn| {
            let first = ids(conn).await.len();
            if before.swap(false, std::sync::atomic::Ordering::Relaxed) {
                writer();
            }
            Ok::<_, Error>((first, ids(conn).await.len()))
        }).await;

        assert_eq!(seen.ok(), Some((0, 0)));
        assert_eq!(ids(&mut place.handle.read().await.unwrap()).await, ["late"]);
    }

    async fn a_scan_cannot_write(place) {
        let refused = place.handle.scan(Duration::from_secs(30), async |conn| {
            diesel::insert_into(people::table).values(&Person::new("a")).execute(conn).await?;
            Ok::<_, Error>(())
        }).await;

        assert!(refused.is_err());
        assert!(ids(&mut place.handle.read().await.unwrap()).await.is_empty());
    }

    async fn a_panicking_scan_is_told_and_the_next_one_served(place) {
        let handle = place.again(|options| options.scan_slots = 1).handle();
        let second = Duration::from_secs(10);

        let panicked = handle.scan(second, async |_| -> Result<(), Error> {
            panic!("deliberate")
        }).await;
        let next = handle.scan(second, async |conn| Ok::<_, Error>(ids(conn).await.len())).await;

        assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
        assert_eq!(next.ok(), Some(0));
    }
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    place::runtime().block_on(async {
        // Port 1 has had no service since 1990.
        let database = Database::open(Options::new("postgres://u@127.0.0.1:1/x")).unwrap();
        let handle = database.handle();

        let read = handle.read().await;
        let write = handle.write(async |_: &mut Tx<'_>| Ok::<_, Error>(())).await;

        assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
        assert!(matches!(write, Err(Error::Unavailable(_))), "{write:?}");
    });
}

#[test]
fn connections_that_the_server_closed_are_replaced() {
    place::on_postgres(async |place| {
        place.handle.ping().await.unwrap();
        place::admin(
            &place.options.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;

        let written = place.handle.write(async |tx: &mut Tx<'_>| insert(tx, &Person::new("a")).await).await;

        assert!(written.is_ok(), "{written:?}");
    });
}

#[test]
fn a_folder_that_is_not_there_is_no_database() {
    let opened = Database::open(Options::new("sqlite:/nowhere/at/all/x.db"));

    assert!(matches!(opened, Err(Error::Unavailable(_))), "{opened:?}");
}
