//! How pages look and what they say. What nobody changed has no row.

use crate::row::corrupt;
use crate::schema::configuration_documents as rows;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::appearance::Appearance;
use domain::localization::Localization;
use domain::{EnvironmentId, Timestamp};
use serde_json::Value;

const APPEARANCE: &str = "appearance";
const LOCALIZATION: &str = "localization";

/// The documents of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// How pages look.
    pub appearance: Appearance,
    /// What they say.
    pub localization: Localization,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = rows, primary_key(environment_id, name), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false)]
struct Row {
    environment_id: String,
    name: String,
    document: Doc<Value>,
    updated_at: i64,
}

/// The documents of an environment.
pub async fn documents(conn: &mut Conn, env: EnvironmentId) -> Result<Documents> {
    let found: Vec<Row> =
        rows::table.filter(rows::environment_id.eq(env.to_string())).select(Row::as_select()).load(conn).await?;
    let broken = |_| corrupt("configuration_documents.document");
    let mut documents = Documents::default();
    for row in found {
        match row.name.as_str() {
            APPEARANCE => documents.appearance = serde_json::from_value(row.document.0).map_err(broken)?,
            LOCALIZATION => documents.localization = serde_json::from_value(row.document.0).map_err(broken)?,
            _ => return Err(corrupt("configuration_documents.name")),
        }
    }
    Ok(documents)
}

/// Writes how pages look, in an environment whose row is held.
pub async fn save_appearance(tx: &mut Tx<'_>, env: EnvironmentId, new: &Appearance, now: Timestamp) -> Result<()> {
    let document = serde_json::to_value(new).expect("an appearance has a JSON form");
    save(tx, env, (APPEARANCE, document), now).await
}

/// Writes what pages say, in an environment whose row is held.
pub async fn save_localization(tx: &mut Tx<'_>, env: EnvironmentId, new: &Localization, now: Timestamp) -> Result<()> {
    let document = serde_json::to_value(new).expect("a localization has a JSON form");
    save(tx, env, (LOCALIZATION, document), now).await
}

async fn save(tx: &mut Tx<'_>, env: EnvironmentId, (name, document): (&str, Value), now: Timestamp) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        name: name.to_owned(),
        document: Doc(document),
        updated_at: now.millis(),
    };
    diesel::insert_into(rows::table)
        .values(&row)
        .on_conflict((rows::environment_id, rows::name))
        .do_update()
        .set((rows::document.eq(&row.document), rows::updated_at.eq(row.updated_at)))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
