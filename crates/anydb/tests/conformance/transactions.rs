//! The write door: all or nothing, and errors that say what stood against it.
use crate::both;
use crate::schema::{Person, ids, insert, insert_team, people, promises, teams};
use anydb::{Error, Tx};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Barrier;

both! {
    async fn what_fails_leaves_nothing(place) {
        let failed = place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await?;
            Err::<(), _>(Error::Settings("on purpose"))
        }).await;

        assert!(matches!(failed, Err(Error::Settings("on purpose"))));
        assert!(ids(&mut place.handle.read().await.unwrap()).await.is_empty());
    }

    async fn an_inner_transaction_fails_alone(place) {
        place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await?;
            let inner = tx.transaction(async |tx| {
                insert(tx, &Person::new("b")).await?;
                insert(tx, &Person::new("a")).await
            }).await;
            assert!(matches!(inner, Err(Error::Conflict(_))), "{inner:?}");
            tx.transaction(async |tx| insert(tx, &Person::new("c")).await).await
        }).await.unwrap();

        assert_eq!(ids(&mut place.handle.read().await.unwrap()).await, ["a", "c"]);
    }

    async fn a_conflict_names_its_constraint(place) {
        let conflicts = place.handle.write(async |tx: &mut Tx<'_>| {
            insert_team(tx, "t").await?;
            let mut first = Person::new("a");
            first.team_id = Some("t".to_owned());
            first.nick = Some("Al".to_owned());
            insert(tx, &first).await?;
            let mut conflicts = Vec::new();
            for change in [
                (|person| {
                    person.team_id = None;
                    person.nick = None;
                }) as fn(&mut Person),
                |person| {
                    person.id = "b".to_owned();
                    person.nick = None;
                },
                |person| {
                    person.id = "b".to_owned();
                    person.team_id = None;
                    person.nick = Some("AL".to_owned());
                },
            ] {
                let mut person = first.clone();
                change(&mut person);
                let refused = tx.transaction(async |tx| insert(tx, &person).await).await;
                conflicts.push(refused.unwrap_err().conflict().unwrap().clone());
            }
            Ok::<_, Error>(conflicts)
        }).await.unwrap();

        let known: [(&str, &[&str]); 3] = [
            ("people_pkey", &["people.id"]),
            ("people_team_id_name_key", &["people.name", "people.team_id"]),
            ("people_lower_nick_key", &[]),
        ];
        for (n, conflict) in conflicts.iter().enumerate() {
            let hit: Vec<usize> = (0..3).filter(|&k| conflict.is_on(known[k].0, known[k].1)).collect();
            assert_eq!(hit, [n], "{conflict:?}");
        }
    }

    async fn a_row_cannot_refer_to_nothing(place) {
        let refused = place.handle.write(async |tx: &mut Tx<'_>| {
            let mut person = Person::new("a");
            person.team_id = Some("nowhere".to_owned());
            insert(tx, &person).await
        }).await;

        assert!(matches!(refused, Err(Error::ForeignKey)), "{refused:?}");
    }

    async fn a_commit_can_be_refused(place) {
        let refused = place.handle.write(async |tx: &mut Tx<'_>| {
            diesel::insert_into(promises::table)
                .values((promises::id.eq(1), promises::team_id.eq("nowhere")))
                .execute(tx).await?;
            Ok::<_, Error>(())
        }).await;
        let after = place.handle.write(async |tx: &mut Tx<'_>| insert_team(tx, "t").await).await;

        assert!(refused.is_err());
        assert!(after.is_ok(), "{after:?}");
        let left: i64 = promises::table.count()
            .get_result(&mut *place.handle.read().await.unwrap()).await.unwrap();
        assert_eq!(left, 0);
    }

    async fn a_swallowed_failure_is_never_a_silent_loss(place) {
        let outcome = place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await?;
            // PostgreSQL refuses everything after this, and answers COMMIT with a rollback.
            assert!(insert(tx, &Person::new("a")).await.is_err());
            Ok::<_, Error>(())
        }).await;

        let stored = ids(&mut place.handle.read().await.unwrap()).await;
        assert_eq!(outcome.is_ok(), stored == ["a"], "{outcome:?} but {stored:?}");
    }

    async fn a_panic_undoes_its_transaction_and_nothing_else(place) {
        for nested in [false, true] {
            let panicked = place.handle.write(async move |tx: &mut Tx<'_>| {
                insert(tx, &Person::new("a")).await?;
                if nested {
                    tx.transaction(async |_| -> Result<(), Error> { panic!("deliberate") }).await?;
                }
                if !nested { panic!("deliberate") }
                Ok::<(), Error>(())
            }).await;
            assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
        }
        let after = place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("b")).await
        }).await;

        assert!(after.is_ok(), "{after:?}");
        assert_eq!(ids(&mut place.handle.read().await.unwrap()).await, ["b"]);
    }

    async fn a_reader_sees_nothing_before_the_commit(place) {
        let handle = place.handle.clone();
        let mut reader = place.handle.read().await.unwrap();
        let before = ids(&mut reader).await;

        handle.write(async |tx: &mut Tx<'_>| insert(tx, &Person::new("a")).await).await.unwrap();

        assert!(before.is_empty());
        assert_eq!(ids(&mut reader).await, ["a"]);
    }

    async fn a_read_transaction_sees_one_moment_on_sqlite_and_ends_with_its_reader(place) {
        let mut reader = place.handle.read().await.unwrap();
        reader.batch_execute("SELECT 1").await.unwrap();
        let counted = reader.transaction(async |conn| {
            let first = ids(conn).await.len();
            Ok::<_, diesel::result::Error>((first, ids(conn).await.len()))
        }).await.unwrap();
        drop(reader);

        assert_eq!(counted, (0, 0));
        let written = place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await
        }).await;
        assert!(written.is_ok(), "{written:?}");
    }

    async fn a_locked_row_is_read_like_any_other(place) {
        use anydb::Lock;
        let found = place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await?;
            let one = people::table.find("a").select(people::age).locked()
                .get_result::<i64>(tx).await.optional()?;
            let none = people::table.find("b").select(people::age).locked()
                .get_result::<i64>(tx).await.optional()?;
            let page = people::table.order(people::id).select(Person::as_select()).limit(5)
                .locked_skipping().load::<Person>(tx).await?;
            Ok::<_, Error>((one, none, page.len()))
        }).await.unwrap();

        assert_eq!(found, (Some(0), None, 1));
    }

    async fn a_collision_runs_the_whole_transaction_again(place) {
        if !place.is_postgres() {
            return; // SQLite has one writer: nothing collides.
        }
        place.handle.write(async |tx: &mut Tx<'_>| insert_team(tx, "t").await).await.unwrap();
        let (attempts, other) = (Arc::new(AtomicU32::new(0)), place.handle.clone());
        let counted = Arc::clone(&attempts);

        let title = place.handle.write(async move |tx: &mut Tx<'_>| {
            tx.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
            teams::table.find("t").select(teams::title).get_result::<String>(tx).await?;
            if counted.fetch_add(1, Ordering::Relaxed) < 2 {
                other.write(async |tx: &mut Tx<'_>| {
                    diesel::update(teams::table).set(teams::title.eq("other")).execute(tx).await?;
                    Ok::<_, Error>(())
                }).await?;
            }
            Ok::<_, Error>(diesel::update(teams::table).set(teams::title.eq("mine"))
                .returning(teams::title).get_result::<String>(tx).await?)
        }).await;

        assert_eq!(title.ok().as_deref(), Some("mine"));
        assert_eq!(AtomicU32::load(&attempts, Ordering::Relaxed), 3);
    }

    async fn a_collision_that_never_ends_is_told(place) {
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);

        let told = place.handle.write(async move |_: &mut Tx<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let kind = diesel::result::DatabaseErrorKind::SerializationFailure;
            let collision = diesel::result::Error::DatabaseError(kind, Box::new(String::new()));
            Err::<(), _>(Error::from(collision))
        }).await;

        assert!(matches!(told, Err(Error::Retryable(_))), "{told:?}");
        let expected = if place.is_postgres() { 4 } else { 1 };
        assert_eq!(AtomicU32::load(&attempts, Ordering::Relaxed), expected);
    }

    async fn a_deadlock_is_resolved_by_running_again(place) {
        if !place.is_postgres() {
            return; // SQLite has one writer: nothing collides.
        }
        place.handle.write(async |tx: &mut Tx<'_>| {
            insert_team(tx, "a").await?;
            insert_team(tx, "b").await
        }).await.unwrap();
        let meet = Arc::new(Barrier::new(2));
        let crossing = |first: &'static str, then: &'static str| {
            let (meet, met) = (Arc::clone(&meet), AtomicU32::new(0));
            place.handle.write(async move |tx: &mut Tx<'_>| {
                for id in [first, then] {
                    diesel::update(teams::table.find(id)).set(teams::title.eq(first))
                        .execute(tx).await?;
                    if met.fetch_add(1, Ordering::Relaxed) == 0 {
                        meet.wait().await;
                    }
                }
                Ok::<_, Error>(())
            })
        };

        let (one, two) = tokio::join!(crossing("a", "b"), crossing("b", "a"));

        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    }
}
