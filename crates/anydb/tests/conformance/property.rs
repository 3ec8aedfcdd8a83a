//! Random rows and random queries: the same rows in the same order on both engines.
use crate::place::{self, Place};
use crate::schema::{Person, insert, people};
use anydb::{Any, Error, Handle, Tx, bytewise, contains};
use diesel::dsl::not;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel_async::RunQueryDsl;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

#[derive(Debug, Clone)]
enum Filter {
    AgeBelow(i64),
    AgeIn(Vec<i64>),
    NameIs(String),
    NameAfter(String),
    NickIs(String),
    NickIsNot(String),
    NoNick,
    NickHas(String),
    NameLike(String),
    Active(bool),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

#[derive(Debug, Clone)]
struct Query {
    filter: Option<Filter>,
    by_name: Option<bool>,
    by_age: Option<bool>,
    limit: Option<i64>,
    offset: Option<i64>,
}

type Condition = Box<dyn BoxableExpression<people::table, Any, SqlType = Nullable<Bool>>>;

fn condition(filter: &Filter) -> Condition {
    match filter.clone() {
        Filter::AgeBelow(age) => Box::new(people::age.lt(age).nullable()),
        Filter::AgeIn(ages) => Box::new(people::age.eq_any(ages).nullable()),
        Filter::NameIs(name) => Box::new(people::name.eq(name).nullable()),
        Filter::NameAfter(name) => Box::new(bytewise(people::name).gt(name).nullable()),
        Filter::NickIs(nick) => Box::new(people::nick.eq(nick)),
        Filter::NickIsNot(nick) => Box::new(people::nick.ne(nick)),
        Filter::NoNick => Box::new(people::nick.is_null().nullable()),
        Filter::NickHas(part) => Box::new(contains(people::nick, part)),
        Filter::NameLike(part) => {
            let pattern = part.replace('!', "!!").replace('%', "!%");
            Box::new(people::name.like(format!("%{pattern}%")).escape('!').nullable())
        }
        Filter::Active(active) => Box::new(people::active.eq(active).nullable()),
        Filter::Not(inner) => Box::new(not(condition(&inner))),
        Filter::And(a, b) => Box::new(condition(&a).and(condition(&b))),
        Filter::Or(a, b) => Box::new(condition(&a).or(condition(&b))),
    }
}

async fn answer(handle: &Handle, query: &Query) -> Vec<Person> {
    let mut statement = people::table.select(Person::as_select()).into_boxed::<Any>();
    if let Some(filter) = &query.filter {
        statement = statement.filter(condition(filter));
    }
    statement = match query.by_name {
        Some(true) => statement.then_order_by(bytewise(people::name).asc()),
        Some(false) => statement.then_order_by(bytewise(people::name).desc()),
        None => statement,
    };
    statement = match query.by_age {
        Some(true) => statement.then_order_by(people::age.asc()),
        Some(false) => statement.then_order_by(people::age.desc()),
        None => statement,
    };
    statement = statement.then_order_by(people::id.asc());
    if let Some(limit) = query.limit {
        statement = statement.limit(limit);
    }
    if let Some(offset) = query.offset {
        statement = statement.offset(offset);
    }
    let mut reader = handle.read().await.unwrap();
    statement.load(&mut *reader).await.unwrap()
}

async fn replace(handle: &Handle, rows: Vec<Person>) {
    handle
        .write(async move |tx: &mut Tx<'_>| {
            diesel::delete(people::table).execute(tx).await?;
            for row in &rows {
                insert(tx, row).await?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

/// Letters that collations, patterns and encodings treat in their own ways.
fn text() -> impl Strategy<Value = String> {
    const ODD: [&str; 15] = ["a", "A", "b", "ß", "é", "e\u{301}", "%", "_", "\\", "!", "'", "\"", " ", "🦀", "\u{1}"];
    let known = vec(prop::sample::select(&ODD[..]), 0..4).prop_map(|parts| parts.concat());
    let any = "[^\u{0}]{0,6}";
    prop_oneof![3 => known, 1 => any]
}

fn age() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::from(i32::MAX) + 1), -2..3_i64,]
}

fn rows() -> impl Strategy<Value = Vec<Person>> {
    let row = (text(), option::of(text()), age(), any::<bool>());
    vec(row, 0..12).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(n, (name, nick, age, active))| {
            let mut person = Person::new(&format!("p{n:02}"));
            person.name = name;
            // A unique index is on it.
            person.nick = nick.map(|nick| format!("{nick}{n}"));
            (person.age, person.active) = (age, active);
            person
        })
        .collect()
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        age().prop_map(Filter::AgeBelow),
        vec(age(), 0..3).prop_map(Filter::AgeIn),
        text().prop_map(Filter::NameIs),
        text().prop_map(Filter::NameAfter),
        text().prop_map(|nick| Filter::NickIs(format!("{nick}1"))),
        text().prop_map(|nick| Filter::NickIsNot(format!("{nick}1"))),
        Just(Filter::NoNick),
        text().prop_map(Filter::NickHas),
        text().prop_map(|part| Filter::NameLike(part.replace('_', ""))),
        any::<bool>().prop_map(Filter::Active),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let (a, b) = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|f| Filter::Not(Box::new(f))),
            (a.clone(), b.clone()).prop_map(|(a, b)| Filter::And(Box::new(a), Box::new(b))),
            (a, b).prop_map(|(a, b)| Filter::Or(Box::new(a), Box::new(b))),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let order = (option::of(any::<bool>()), option::of(any::<bool>()));
    let page = (option::of(0..8_i64), option::of(0..4_i64));
    (option::of(filter()), order, page).prop_map(|(filter, (by_name, by_age), (limit, offset))| Query {
        filter,
        by_name,
        by_age,
        limit,
        offset,
    })
}

#[test]
fn both_engines_give_the_same_rows_in_the_same_order() {
    place::on_postgres(async |postgres| {
        place::with_sqlite(async |url| {
            let sqlite = Place::open(url).await;
            // Apart from the runtime of the places: proptest drives each case to its end itself.
            let (a, b) = (postgres.database.clone(), sqlite.database.clone());
            let run = tokio::task::spawn_blocking(move || {
                let runtime = place::runtime();
                let (a, b) = runtime.block_on(async { (a.handle(), b.handle()) });
                let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
                TestRunner::new(config).run(&(rows(), vec(query(), 1..12)), |(rows, queries)| {
                    runtime.block_on(async {
                        replace(&a, rows.clone()).await;
                        replace(&b, rows).await;
                        for query in &queries {
                            let (a, b) = (answer(&a, query).await, answer(&b, query).await);
                            prop_assert_eq!(a, b, "{:?}", query);
                        }
                        Ok::<_, TestCaseError>(())
                    })
                })
            });
            run.await.unwrap().unwrap();
            sqlite.database.shutdown().await;
        })
        .await;
    });
}
