//! Many writers at a time, and the end of the process.
use crate::both;
use crate::place;
use crate::schema::{Person, ids, insert, insert_team, promises};
use anydb::{Database, Error, Options, Tx};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use std::collections::BTreeSet;

both! {
    async fn of_many_writers_each_gets_its_own_answer(place) {
        let writes = (0..60_u32).map(|n| place.handle.write(async move |tx: &mut Tx<'_>| {
            insert(tx, &Person::new(&format!("p{n:02}"))).await?;
            match n % 6 {
                1 => Err(Error::Settings("on purpose")),
                3 => panic!("deliberate"),
                // The same row again: on PostgreSQL it fails whatever comes first.
                5 => insert(tx, &Person::new(&format!("p{n:02}"))).await,
                _ => Ok(()),
            }
        }));

        let answers = join_all(writes).await;

        let mut kept = BTreeSet::new();
        for (n, answer) in answers.iter().enumerate() {
            let fits = match n % 6 {
                1 => matches!(answer, Err(Error::Settings("on purpose"))),
                3 => matches!(answer, Err(Error::Panicked)),
                5 => matches!(answer, Err(Error::Conflict(_))),
                _ => kept.insert(format!("p{n:02}")) && answer.is_ok(),
            };
            assert!(fits, "{n}: {answer:?}");
        }
        let stored = ids(&mut place.handle.read().await.unwrap()).await;
        assert_eq!(stored, kept.into_iter().collect::<Vec<_>>());
    }

    async fn a_refused_commit_takes_no_neighbour_along(place) {
        place.handle.write(async |tx: &mut Tx<'_>| insert_team(tx, "t").await).await.unwrap();
        let writes = (0..20_i64).map(|n| place.handle.write(async move |tx: &mut Tx<'_>| {
            let team = if n == 7 { "nowhere" } else { "t" };
            diesel::insert_into(promises::table)
                .values((promises::id.eq(n), promises::team_id.eq(team)))
                .execute(tx).await?;
            Ok::<_, Error>(())
        }));

        let answers = join_all(writes).await;

        let refused: Vec<usize> = (0..20).filter(|&n| answers[n].is_err()).collect();
        assert_eq!(refused, [7]);
        let stored: i64 = promises::table.count()
            .get_result(&mut *place.handle.read().await.unwrap()).await.unwrap();
        assert_eq!(stored, 19);
    }

    async fn a_handle_works_on_any_runtime(place) {
        let database = place.database.clone();
        let stored = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let handle = database.handle();
                let tasks = (0..8_u32).map(|n| {
                    let handle = handle.clone();
                    tokio::spawn(async move {
                        handle.write(async move |tx: &mut Tx<'_>| {
                            insert(tx, &Person::new(&n.to_string())).await
                        }).await
                    })
                });
                for task in join_all(tasks).await {
                    task.unwrap().unwrap();
                }
                ids(&mut handle.read().await.unwrap()).await.len()
            })
        }).join().unwrap();

        assert_eq!(stored, 8);
    }
}

#[test]
fn a_transaction_that_awaits_a_stranger_is_undone_on_sqlite() {
    place::on_sqlite(async |place| {
        let stray = place
            .handle
            .write(async |tx: &mut Tx<'_>| {
                insert(tx, &Person::new("a")).await?;
                tokio::task::yield_now().await;
                Ok::<_, Error>(())
            })
            .await;
        let after = place.handle.write(async |tx: &mut Tx<'_>| insert(tx, &Person::new("b")).await).await;

        assert!(matches!(stray, Err(Error::Stranger)), "{stray:?}");
        assert!(after.is_ok(), "{after:?}");
        assert_eq!(ids(&mut place.handle.read().await.unwrap()).await, ["b"]);
    });
}

#[test]
fn a_reader_cannot_write_on_sqlite() {
    place::on_sqlite(async |place| {
        let mut reader = place.handle.read().await.unwrap();

        let refused =
            diesel::insert_into(crate::schema::people::table).values(&Person::new("a")).execute(&mut *reader).await;

        assert!(refused.is_err());
    });
}

#[test]
fn shutdown_waits_for_what_was_handed_in_on_sqlite() {
    place::runtime().block_on(place::with_sqlite(async |url| {
        let database = Database::open(Options::new(&url)).unwrap();
        let handle = database.handle();
        let tables = handle.write(async |tx: &mut Tx<'_>| {
            use diesel_async::SimpleAsyncConnection;
            Ok::<_, Error>(tx.batch_execute(crate::schema::TABLES).await?)
        });
        let row = handle.write(async |tx: &mut Tx<'_>| insert(tx, &Person::new("a")).await);
        let (tables, row, ()) = tokio::join!(tables, row, database.shutdown());
        let late = handle.write(async |tx: &mut Tx<'_>| insert(tx, &Person::new("b")).await).await;

        assert!(tables.is_ok() && row.is_ok(), "{tables:?} {row:?}");
        assert!(matches!(late, Err(Error::Closed)), "{late:?}");
        let path = url.trim_start_matches("sqlite:");
        let log = std::fs::metadata(format!("{path}-wal")).map_or(0, |log| log.len());
        assert_eq!(log, 0, "the log was not written back");
        assert_eq!(ids(&mut handle.read().await.unwrap()).await, ["a"]);
    }));
}
