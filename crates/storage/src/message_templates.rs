//! What operators made of the texts of mail and SMS. What nobody changed has no row.

use crate::log_schema::message_templates as rows;
use crate::row::{at, corrupt, read};
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;
use domain::message::{Channel, MessageTemplate, Texts};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = rows, check_for_backend(Any), treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    channel: String,
    slug: String,
    texts: Doc<Texts>,
    delivered_by_us: bool,
    from_number_override: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for MessageTemplate {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: read(&row.id, "message_templates.id")?,
            channel: Channel::parse(&row.channel).ok_or_else(|| corrupt("message_templates.channel"))?,
            slug: row.slug,
            texts: row.texts.0,
            delivered_by_us: row.delivered_by_us,
            from_number_override: row.from_number_override,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

/// What was changed in an environment.
pub async fn list(conn: &mut Conn, env: EnvironmentId) -> Result<Vec<MessageTemplate>> {
    let found: Vec<Row> = rows::table
        .filter(rows::environment_id.eq(env.to_string()))
        .order((rows::channel, rows::slug))
        .select(Row::as_select())
        .load(conn)
        .await?;
    found.into_iter().map(MessageTemplate::try_from).collect()
}

/// Finds what was made of a message and holds its row until the transaction ends.
pub async fn lock(
    tx: &mut Tx<'_>,
    env: EnvironmentId,
    channel: Channel,
    slug: &str,
) -> Result<Option<MessageTemplate>> {
    let row: Option<Row> = rows::table
        .filter(rows::environment_id.eq(env.to_string()))
        .filter(rows::channel.eq(channel.as_str()))
        .filter(rows::slug.eq(slug))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(MessageTemplate::try_from).transpose()
}

/// Writes what an operator made of a message, for the first time or again.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, template: &MessageTemplate) -> Result<()> {
    let row = Row {
        environment_id: env.to_string(),
        id: template.id.to_string(),
        channel: template.channel.as_str().to_owned(),
        slug: template.slug.clone(),
        texts: Doc(template.texts.clone()),
        delivered_by_us: template.delivered_by_us,
        from_number_override: template.from_number_override.clone(),
        created_at: template.created_at.millis(),
        updated_at: template.updated_at.millis(),
    };
    diesel::insert_into(rows::table)
        .values(&row)
        .on_conflict((rows::environment_id, rows::id))
        .do_update()
        .set((
            rows::texts.eq(&row.texts),
            rows::delivered_by_us.eq(row.delivered_by_us),
            rows::from_number_override.eq(&row.from_number_override),
            rows::updated_at.eq(row.updated_at),
        ))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
