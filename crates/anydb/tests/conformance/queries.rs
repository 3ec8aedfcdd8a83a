//! Statements: each runs as plain diesel on both engines and means the same.
use crate::both;
use crate::place::Place;
use crate::schema::{Person, badges, insert, insert_team, people, teams};
use anydb::{Any, Doc, EngineKind, Error, Tx, contains, total};
use diesel::dsl::{count_star, exists, not, select, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use serde_json::json;
use std::sync::Mutex;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Profile {
    z: f64,
    a: String,
}

async fn three_people(place: &Place) {
    place
        .handle
        .write(async |tx: &mut Tx<'_>| {
            insert_team(tx, "t1").await?;
            insert_team(tx, "t2").await?;
            for (id, team, age) in [("a", Some("t1"), 30), ("b", Some("t2"), 20), ("c", None, 20)] {
                let mut person = Person::new(id);
                person.team_id = team.map(str::to_owned);
                person.age = age;
                insert(tx, &person).await?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

both! {
    async fn a_row_comes_back_as_it_went_in(place) {
        let mut rows = vec![Person::new("bare"), Person::new("least"), Person::new("most")];
        rows[1].age = i64::MIN;
        rows[1].rank = Some(i16::MIN);
        rows[1].points = Some(i32::MIN);
        rows[1].ratio = Some(-0.1);
        rows[1].picture = Some(vec![]);
        rows[1].nick = Some(String::new());
        rows[2].age = i64::MAX;
        rows[2].active = false;
        rows[2].rank = Some(i16::MAX);
        rows[2].points = Some(i32::MAX);
        rows[2].ratio = Some(f64::MAX);
        rows[2].picture = Some((0..=255).collect());
        rows[2].nick = Some("Zoë 🦀 e\u{301} '\"\\%_ \u{10ffff}\r\n\t".to_owned());
        rows[2].profile = Doc(json!({"z": 1, "a": [null, 1.5, "ü"], "m": {"big": i64::MAX}}));
        let written = rows.clone();

        let stored = place.handle.write(async move |tx: &mut Tx<'_>| {
            let mut stored = Vec::new();
            for row in &written {
                let insert = diesel::insert_into(people::table).values(row);
                stored.push(insert.returning(Person::as_returning()).get_result(tx).await?);
            }
            Ok::<Vec<Person>, Error>(stored)
        }).await.unwrap();
        let mut reader = place.handle.read().await.unwrap();
        let read: Vec<Person> = people::table.select(Person::as_select()).order(people::id)
            .load(&mut *reader).await.unwrap();

        assert_eq!(stored, rows);
        assert_eq!(read, rows);
        for row in rows {
            // Read in place, it is the same.
            let point: Option<Person> = reader.point(people::table.find(&row.id)).await.unwrap();
            assert_eq!(point, Some(row));
        }
    }

    async fn a_point_is_the_first_row_or_none(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();
        let by_age = people::table.order((people::age, people::id)).select((people::id, people::team_id));

        let first: Option<(String, Option<String>)> = reader.point(by_age).await.unwrap();
        let nobody: Option<String> = reader.point(people::table.find("z").select(people::name)).await.unwrap();
        let wrong: Result<Option<String>, _> = reader.point(people::table.find("c").select(sql::<Text>("absent"))).await;

        assert_eq!(first, Some(("b".to_owned(), Some("t2".to_owned()))));
        assert_eq!(nobody, None);
        assert!(wrong.is_err());
    }

    async fn a_point_sees_what_was_written_a_moment_ago(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();
        for age in 1..=3_i64 {
            place.handle.write(async move |tx: &mut Tx<'_>| {
                diesel::update(people::table.find("a")).set(people::age.eq(age)).execute(tx).await?;
                Ok::<_, Error>(())
            }).await.unwrap();

            // The statement of the last time is used again, and holds nothing back.
            let seen: Option<i64> = reader.point(people::table.find("a").select(people::age)).await.unwrap();
            assert_eq!(seen, Some(age));
        }
    }

    async fn a_json_document_keeps_its_text(place) {
        place.handle.write(async |tx: &mut Tx<'_>| {
            insert(tx, &Person::new("a")).await?;
            let profile = Doc(Profile { z: 1.0, a: "é\u{1}".to_owned() });
            diesel::update(people::table).set(people::profile.eq(profile)).execute(tx).await?;
            Ok::<_, Error>(())
        }).await.unwrap();

        let mut reader = place.handle.read().await.unwrap();
        let text: String = people::table.select(sql::<Text>("profile"))
            .get_result(&mut *reader).await.unwrap();
        let Doc(profile): Doc<Profile> = people::table.select(people::profile)
            .get_result(&mut *reader).await.unwrap();

        assert_eq!(text, r#"{"z":1.0,"a":"é\u0001"}"#);
        assert_eq!(profile.a, "é\u{1}");
    }

    async fn a_batch_is_one_statement(place) {
        let rows: Vec<Person> = (0..200).map(|n| Person::new(&format!("p{n:03}"))).collect();

        let inserted = place.handle.write(async move |tx: &mut Tx<'_>| {
            Ok::<_, Error>(diesel::insert_into(people::table).values(&rows).execute(tx).await?)
        }).await.unwrap();

        let mut reader = place.handle.read().await.unwrap();
        let count: i64 = people::table.select(count_star()).get_result(&mut *reader).await.unwrap();
        assert_eq!((inserted, count), (200, 200));
    }

    async fn joins_find_what_is_there_and_what_is_not(place) {
        three_people(place).await;
        place.handle.write(async |tx: &mut Tx<'_>| {
            diesel::insert_into(badges::table)
                .values((badges::person_id.eq("a"), badges::badge.eq("gold"), badges::level.eq(3)))
                .execute(tx).await?;
            Ok::<_, Error>(())
        }).await.unwrap();
        let mut reader = place.handle.read().await.unwrap();

        let inner: Vec<(String, String)> = people::table.inner_join(teams::table)
            .select((people::id, teams::title)).order(people::id).load(&mut *reader).await.unwrap();
        let left: Vec<(String, Option<String>, Option<i64>)> = people::table
            .left_join(teams::table)
            .left_join(badges::table)
            .select((people::id, teams::title.nullable(), badges::level.nullable()))
            .order(people::id)
            .load(&mut *reader).await.unwrap();
        let with_badge: Vec<String> = people::table
            .filter(exists(badges::table.filter(badges::person_id.eq(people::id))))
            .select(people::id).load(&mut *reader).await.unwrap();

        assert_eq!(inner, [("a".into(), "t1".into()), ("b".into(), "t2".into())]);
        assert_eq!(left, [
            ("a".into(), Some("t1".into()), Some(3)),
            ("b".into(), Some("t2".into()), None),
            ("c".into(), None, None),
        ]);
        assert_eq!(with_badge, ["a"]);
    }

    async fn a_page_continues_after_its_last_row(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();
        let mut pages: Vec<Vec<String>> = Vec::new();
        let mut after: Option<(i64, String)> = None;

        for _ in 0..4 {
            let mut query = people::table.select((people::age, people::id)).into_boxed::<Any>();
            if let Some((age, id)) = after.clone() {
                query = query.filter(people::age.lt(age)
                    .or(people::age.eq(age).and(people::id.lt(id))));
            }
            let page: Vec<(i64, String)> = query
                .order((people::age.desc(), people::id.desc())).limit(1)
                .load(&mut *reader).await.unwrap();
            after = page.last().cloned().or(after);
            pages.push(page.into_iter().map(|(_, id)| id).collect());
        }

        assert_eq!(pages, [vec!["a"], vec!["c"], vec!["b"], vec![]]);
    }

    async fn an_offset_needs_no_limit(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();

        let boxed: Vec<String> = people::table.select(people::id).order(people::id)
            .into_boxed::<Any>().offset(1).load(&mut *reader).await.unwrap();
        let plain: Vec<String> = people::table.select(people::id).order(people::id)
            .limit(1).offset(1).load(&mut *reader).await.unwrap();
        let boxed_later: Vec<String> = people::table.select(people::id).order(people::id)
            .limit(1).offset(1).into_boxed::<Any>().load(&mut *reader).await.unwrap();

        assert_eq!(boxed, ["b", "c"]);
        assert_eq!(plain, ["b"]);
        assert_eq!(boxed_later, ["b"]);
    }

    async fn an_update_answers_the_row_it_made(place) {
        three_people(place).await;

        let (updated, missed) = place.handle.write(async |tx: &mut Tx<'_>| {
            let updated = diesel::update(people::table.find("a"))
                .set((people::age.eq(people::age + 1), people::nick.eq(Some("al"))))
                .returning(Person::as_returning()).get_result::<Person>(tx).await?;
            let missed = diesel::update(people::table.find("nobody")).set(people::age.eq(1))
                .returning(people::id).get_result::<String>(tx).await.optional()?;
            Ok::<_, Error>((updated, missed))
        }).await.unwrap();

        assert_eq!((updated.age, updated.nick.as_deref()), (31, Some("al")));
        assert_eq!(missed, None);
    }

    async fn an_upsert_takes_the_new_value(place) {
        three_people(place).await;

        let levels = place.handle.write(async |tx: &mut Tx<'_>| {
            let mut levels = Vec::new();
            for level in [1_i64, 7] {
                let row = (
                    badges::person_id.eq("a"), badges::badge.eq("gold"), badges::level.eq(level),
                );
                let level = diesel::insert_into(badges::table).values(row)
                    .on_conflict((badges::person_id, badges::badge)).do_update()
                    .set(badges::level.eq(badges::level + excluded(badges::level)))
                    .returning(badges::level).get_result::<i64>(tx).await?;
                levels.push(level);
            }
            let ignored = diesel::insert_into(teams::table)
                .values((teams::id.eq("t1"), teams::title.eq("other")))
                .on_conflict_do_nothing().execute(tx).await?;
            Ok::<_, Error>((levels, ignored))
        }).await.unwrap();

        assert_eq!(levels, (vec![1, 8], 0));
    }

    async fn a_delete_says_how_many(place) {
        three_people(place).await;

        let deleted = place.handle.write(async |tx: &mut Tx<'_>| {
            Ok::<_, Error>(diesel::delete(people::table.filter(people::age.eq(20)))
                .execute(tx).await?)
        }).await.unwrap();

        assert_eq!(deleted, 2);
    }

    async fn a_list_of_values_filters_even_when_empty(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();

        let mut found = Vec::new();
        for wanted in [vec!["a", "c", "x"], vec![]] {
            let ids: Vec<String> = people::table.filter(people::id.eq_any(wanted))
                .select(people::id).order(people::id).load(&mut *reader).await.unwrap();
            found.push(ids);
        }

        assert_eq!(found, [vec!["a".to_owned(), "c".to_owned()], vec![]]);
    }

    async fn null_is_neither_equal_nor_unequal(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();

        let none: Vec<String> = people::table.filter(people::team_id.is_null())
            .select(people::id).load(&mut *reader).await.unwrap();
        let other: Vec<String> = people::table.filter(people::team_id.ne("t1"))
            .select(people::id).load(&mut *reader).await.unwrap();
        let unfound: Vec<String> = people::table.filter(not(contains(people::nick, "x")))
            .select(people::id).load(&mut *reader).await.unwrap();

        assert_eq!((none, other), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert!(unfound.is_empty());
    }

    async fn sums_and_counts_are_whole_numbers(place) {
        three_people(place).await;
        let mut reader = place.handle.read().await.unwrap();

        let (sum, count, eldest): (i64, i64, Option<i64>) = people::table
            .select((total(people::age), count_star(), diesel::dsl::max(people::age)))
            .get_result(&mut *reader).await.unwrap();
        let nothing: i64 = people::table.filter(people::id.eq("x")).select(total(people::age))
            .get_result(&mut *reader).await.unwrap();
        let per_team: Vec<(Option<String>, i64)> = people::table
            .filter(people::team_id.is_not_null()).group_by(people::team_id)
            .select((people::team_id, count_star())).order(people::team_id)
            .load(&mut *reader).await.unwrap();
        let any: bool = select(exists(people::table.filter(people::age.gt(29))))
            .get_result(&mut *reader).await.unwrap();

        assert_eq!((sum, count, eldest, nothing, any), (70, 3, Some(30), 0, true));
        assert_eq!(per_team, [(Some("t1".into()), 1), (Some("t2".into()), 1)]);
    }

    async fn every_statement_can_be_seen(place) {
        static SEEN: Mutex<Vec<(EngineKind, String)>> = Mutex::new(Vec::new());
        anydb::observe(|engine, sql| SEEN.lock().unwrap().push((engine, sql.to_owned())));

        let mut reader = place.handle.read().await.unwrap();
        let found = teams::table.filter(teams::title.eq("a rare one")).filter(teams::id.ne("x"))
            .select(teams::id).load::<String>(&mut *reader).await.unwrap();

        assert!(found.is_empty());
        let sql = "SELECT \"teams\".\"id\" FROM \"teams\" \
            WHERE ((\"teams\".\"title\" = $1) AND (\"teams\".\"id\" != $2))";
        assert!(SEEN.lock().unwrap().contains(&(place.handle.engine(), sql.to_owned())));
    }
}
