//! A caller that goes away at any await leaves nothing behind.
use crate::both;
use crate::schema::{Person, ids, insert, people, teams};
use anydb::{Error, Tx};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, RunQueryDsl};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that is given up after so many polls.
struct GivenUpAfter<F> {
    polls: usize,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for GivenUpAfter<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.work.as_mut().poll(cx).map(Some)
    }
}

fn given_up_after<F: Future>(polls: usize, work: F) -> GivenUpAfter<F> {
    GivenUpAfter { polls, work: Box::pin(work) }
}

both! {
    async fn a_write_given_up_at_any_await_leaves_nothing(place) {
        place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("hot")).await
        }).await.unwrap();
        let mut finished = false;

        for polls in 0..1000 {
            let outcome = given_up_after(polls, place.handle.write(async move |tx: &mut Tx<'_>| {
                diesel::update(people::table.find("hot")).set(people::age.eq(people::age + 1))
                    .execute(tx).await?;
                insert(tx, &Person::new(&format!("{polls:04}a"))).await?;
                tx.transaction(async |tx| {
                    insert(tx, &Person::new(&format!("{polls:04}b"))).await
                }).await
            })).await;

            // The row is free and the pool alive.
            let next = place.handle.write(async |tx: &mut Tx<'_>| {
                Ok::<_, Error>(diesel::update(people::table.find("hot"))
                    .set(people::nick.eq("touched")).execute(tx).await?)
            }).await;
            assert_eq!(next.ok(), Some(1), "after {polls} polls");
            let mut reader = place.handle.read().await.unwrap();
            let left = ids(&mut reader).await;
            let left = left.iter().filter(|id| id.starts_with(&format!("{polls:04}"))).count();
            match outcome {
                Some(done) => {
                    done.unwrap();
                    assert_eq!(left, 2);
                    finished = true;
                }
                // A commit that was already under way stands.
                None => assert!(left == 0 || left == 2, "half a transaction after {polls} polls"),
            }
            if finished {
                break;
            }
        }

        assert!(finished);
        if place.is_postgres() {
            nobody_is_left_in_a_transaction(place).await;
        }
    }

    async fn a_scan_given_up_at_any_await_leaves_nothing(place) {
        let mut finished = false;
        for polls in 0..1000 {
            let outcome = given_up_after(polls, place.handle.scan(
                std::time::Duration::from_secs(60),
                async |conn| Ok::<_, Error>(teams::table.count().get_result::<i64>(conn).await?),
            )).await;
            if let Some(done) = outcome {
                assert_eq!(done.ok(), Some(0));
                finished = true;
                break;
            }
            let again = place.handle.ping().await;
            assert!(again.is_ok(), "{again:?}");
        }

        assert!(finished);
        if place.is_postgres() {
            nobody_is_left_in_a_transaction(place).await;
        }
    }

    async fn a_read_transaction_given_up_never_meets_the_next_caller(place) {
        for polls in 0..6 {
            let read = async {
                let mut reader = place.handle.read().await.unwrap();
                reader.transaction(async |conn| {
                    ids(conn).await;
                    tokio::task::yield_now().await;
                    ids(conn).await;
                    Ok::<_, diesel::result::Error>(())
                }).await.unwrap();
            };
            given_up_after(polls, read).await;

            let mut reader = place.handle.read().await.unwrap();
            let fresh = reader.transaction(async |conn| {
                Ok::<_, diesel::result::Error>(ids(conn).await.len())
            }).await;
            assert_eq!(fresh.ok(), Some(0), "after {polls} polls");
        }
    }
}

#[derive(diesel::QueryableByName)]
#[diesel(check_for_backend(anydb::Any))]
struct Left {
    #[diesel(sql_type = BigInt)]
    open: i64,
}

/// The server hears of a closed socket a little later, so it is asked until it has.
async fn nobody_is_left_in_a_transaction(place: &crate::place::Place) {
    for _ in 0..2000 {
        let mut reader = place.handle.read().await.unwrap();
        let left: Left = diesel::sql_query(
            "SELECT COUNT(*) AS open FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        )
        .get_result(&mut *reader)
        .await
        .unwrap();
        if left.open == 0 {
            return;
        }
    }
    panic!("a transaction stayed open");
}
