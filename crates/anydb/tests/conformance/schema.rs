//! The tables the suite uses.
use anydb::{Any, Conn, Doc, Error, Tx};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;

pub const TABLES: &str = "
    CREATE TABLE teams (id TEXT PRIMARY KEY, title TEXT NOT NULL);
    CREATE TABLE people (
        id TEXT PRIMARY KEY, team_id TEXT REFERENCES teams (id), name TEXT NOT NULL, nick TEXT,
        age BIGINT NOT NULL, active BOOLEAN NOT NULL, ratio DOUBLE PRECISION, picture BYTEA,
        rank SMALLINT, points INTEGER, profile TEXT NOT NULL
    );
    CREATE UNIQUE INDEX people_team_id_name_key ON people (team_id, name);
    CREATE UNIQUE INDEX people_lower_nick_key ON people (lower(nick));
    CREATE TABLE badges (
        person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE, badge TEXT NOT NULL,
        level BIGINT NOT NULL, PRIMARY KEY (person_id, badge)
    );
    CREATE TABLE promises (
        id BIGINT PRIMARY KEY,
        team_id TEXT NOT NULL REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED
    );";

diesel::table! { teams (id) { id -> Text, title -> Text, } }
diesel::table! { people (id) {
    id -> Text, team_id -> Nullable<Text>, name -> Text, nick -> Nullable<Text>, age -> BigInt,
    active -> Bool, ratio -> Nullable<Double>, picture -> Nullable<Binary>,
    rank -> Nullable<SmallInt>, points -> Nullable<Integer>, profile -> anydb::Json,
} }
diesel::table! { badges (person_id, badge) { person_id -> Text, badge -> Text, level -> BigInt, } }
diesel::table! { promises (id) { id -> BigInt, team_id -> Text, } }
diesel::joinable!(people -> teams (team_id));
diesel::joinable!(badges -> people (person_id));
diesel::allow_tables_to_appear_in_same_query!(teams, people, badges, promises);

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = people, check_for_backend(Any), treat_none_as_default_value = false)]
pub struct Person {
    pub id: String,
    pub team_id: Option<String>,
    pub name: String,
    pub nick: Option<String>,
    pub age: i64,
    pub active: bool,
    pub ratio: Option<f64>,
    pub picture: Option<Vec<u8>>,
    pub rank: Option<i16>,
    pub points: Option<i32>,
    pub profile: Doc<Value>,
}

impl Person {
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            team_id: None,
            name: id.to_owned(),
            nick: None,
            age: 0,
            active: true,
            ratio: None,
            picture: None,
            rank: None,
            points: None,
            profile: Doc(Value::Null),
        }
    }
}

pub async fn insert_team(tx: &mut Tx<'_>, id: &str) -> Result<(), Error> {
    diesel::insert_into(teams::table).values((teams::id.eq(id), teams::title.eq(id))).execute(tx).await?;
    Ok(())
}

pub async fn insert(tx: &mut Tx<'_>, person: &Person) -> Result<(), Error> {
    diesel::insert_into(people::table).values(person).execute(tx).await?;
    Ok(())
}

pub async fn ids(conn: &mut Conn) -> Vec<String> {
    people::table.select(people::id).order(people::id).load(conn).await.unwrap()
}
