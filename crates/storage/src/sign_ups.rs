//! Sign-up attempts.

use crate::row::{at, corrupt, one_row, read, read_opt};
use crate::schema::sign_ups;
use crate::{Conn, Result, Tx};
use anydb::{Any, Doc, Lock as _};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use domain::sign_up::{SignUp, SignUpStatus};
use domain::text::{Metadata, Username};
use domain::user::PasswordDigest;
use domain::{ClientId, Email, EnvironmentId, NewId, Phone, SignUpId, Timestamp};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = sign_ups, primary_key(environment_id, id), check_for_backend(Any))]
#[diesel(treat_none_as_default_value = false, treat_none_as_null = true)]
struct Row {
    environment_id: String,
    id: String,
    client_id: String,
    status: String,
    email_address: Option<String>,
    email_verified: bool,
    phone_number: Option<String>,
    phone_verified: bool,
    proven_at: Option<i64>,
    legal_accepted: bool,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    password_digest: Option<String>,
    unsafe_metadata: Doc<Metadata>,
    invitation_id: Option<String>,
    current_challenge_id: Option<String>,
    created_session_id: Option<String>,
    created_user_id: Option<String>,
    abandon_at: i64,
    was_test: bool,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Row> for SignUp {
    type Error = crate::Error;
    fn try_from(row: Row) -> Result<Self> {
        let email_address =
            row.email_address.map(|e| Email::parse(&e).map_err(|_| corrupt("sign_ups.email_address"))).transpose()?;
        let username =
            row.username.map(|u| Username::parse(&u).map_err(|_| corrupt("sign_ups.username"))).transpose()?;
        Ok(Self {
            id: read(&row.id, "sign_ups.id")?,
            client_id: read(&row.client_id, "sign_ups.client_id")?,
            status: SignUpStatus::parse(&row.status).ok_or_else(|| corrupt("sign_ups.status"))?,
            email_address,
            email_verified: row.email_verified,
            phone_number: row
                .phone_number
                .map(|number| Phone::from_e164(&number).map_err(|_| corrupt("sign_ups.phone_number")))
                .transpose()?,
            phone_verified: row.phone_verified,
            proven_at: row.proven_at.map(at),
            legal_accepted: row.legal_accepted,
            username,
            first_name: row.first_name,
            last_name: row.last_name,
            password_digest: row.password_digest.map(PasswordDigest::new),
            unsafe_metadata: row.unsafe_metadata.0,
            invitation_id: read_opt(row.invitation_id.as_ref(), "sign_ups.invitation_id")?,
            current_challenge_id: read_opt(row.current_challenge_id.as_ref(), "sign_ups.current_challenge_id")?,
            created_session_id: read_opt(row.created_session_id.as_ref(), "sign_ups.created_session_id")?,
            created_user_id: read_opt(row.created_user_id.as_ref(), "sign_ups.created_user_id")?,
            abandon_at: at(row.abandon_at),
            was_test: row.was_test,
            created_at: at(row.created_at),
            updated_at: at(row.updated_at),
        })
    }
}

fn row(env: EnvironmentId, sign_up: &SignUp) -> Row {
    Row {
        environment_id: env.to_string(),
        id: sign_up.id.to_string(),
        client_id: sign_up.client_id.to_string(),
        status: sign_up.status.as_str().to_owned(),
        email_address: sign_up.email_address.as_ref().map(|e| e.as_str().to_owned()),
        email_verified: sign_up.email_verified,
        phone_number: sign_up.phone_number.as_ref().map(|number| number.as_str().to_owned()),
        phone_verified: sign_up.phone_verified,
        proven_at: sign_up.proven_at.map(Timestamp::millis),
        legal_accepted: sign_up.legal_accepted,
        username: sign_up.username.as_ref().map(|u| u.as_str().to_owned()),
        first_name: sign_up.first_name.clone(),
        last_name: sign_up.last_name.clone(),
        password_digest: sign_up.password_digest.as_ref().map(|d| d.as_str().to_owned()),
        unsafe_metadata: Doc(sign_up.unsafe_metadata.clone()),
        invitation_id: sign_up.invitation_id.map(|id| id.to_string()),
        current_challenge_id: sign_up.current_challenge_id.map(|id| id.to_string()),
        created_session_id: sign_up.created_session_id.map(|id| id.to_string()),
        created_user_id: sign_up.created_user_id.map(|id| id.to_string()),
        abandon_at: sign_up.abandon_at.millis(),
        was_test: sign_up.was_test,
        created_at: sign_up.created_at.millis(),
        updated_at: sign_up.updated_at.millis(),
    }
}

/// Finds a sign-up of a client.
pub async fn find(conn: &mut Conn, env: EnvironmentId, client: ClientId, id: SignUpId) -> Result<Option<SignUp>> {
    let row: Option<Row> = sign_ups::table
        .find((env.to_string(), id.to_string()))
        .filter(sign_ups::client_id.eq(client.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignUp::try_from).transpose()
}

/// Finds a sign-up of a client and holds its row until the transaction ends.
pub async fn lock(tx: &mut Tx<'_>, env: EnvironmentId, client: ClientId, id: SignUpId) -> Result<Option<SignUp>> {
    let row: Option<Row> = sign_ups::table
        .find((env.to_string(), id.to_string()))
        .filter(sign_ups::client_id.eq(client.to_string()))
        .select(Row::as_select())
        .locked()
        .get_result(&mut **tx)
        .await
        .optional()?;
    row.map(SignUp::try_from).transpose()
}

/// Finds a sign-up, whichever client it began on: for a mailed link, which is followed in any browser.
pub async fn anywhere(conn: &mut Conn, env: EnvironmentId, id: SignUpId) -> Result<Option<SignUp>> {
    let row: Option<Row> = sign_ups::table
        .find((env.to_string(), id.to_string()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignUp::try_from).transpose()
}

/// The newest sign-up of a client, whatever its state.
pub async fn newest(conn: &mut Conn, env: EnvironmentId, client: ClientId) -> Result<Option<SignUp>> {
    let row: Option<Row> = sign_ups::table
        .filter(sign_ups::environment_id.eq(env.to_string()).and(sign_ups::client_id.eq(client.to_string())))
        .order((sign_ups::created_at.desc(), sign_ups::id.desc()))
        .select(Row::as_select())
        .first(conn)
        .await
        .optional()?;
    row.map(SignUp::try_from).transpose()
}

/// Adds a sign-up.
pub async fn insert(tx: &mut Tx<'_>, env: EnvironmentId, sign_up: &SignUp) -> Result<()> {
    diesel::insert_into(sign_ups::table).values(row(env, sign_up)).execute(&mut **tx).await?;
    Ok(())
}

/// Writes a sign-up that was locked.
pub async fn save(tx: &mut Tx<'_>, env: EnvironmentId, sign_up: &SignUp) -> Result<()> {
    let target = sign_ups::table.find((env.to_string(), sign_up.id.to_string()));
    let hit = diesel::update(target).set(row(env, sign_up)).execute(&mut **tx).await?;
    one_row(hit, "sign_ups")
}

/// Deletes sign-ups, and the password hashes that were staged in them, begun before a time, oldest first and at most `max`; ids are in the order of time.
pub async fn sweep(tx: &mut Tx<'_>, env: EnvironmentId, before: Timestamp, max: i64) -> Result<usize> {
    Ok(diesel::sql_query(
        "DELETE FROM sign_ups WHERE environment_id = $1 AND id IN ( \
             SELECT id FROM sign_ups WHERE environment_id = $1 AND id < $2 ORDER BY id LIMIT $3)",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(SignUpId::new(before, [0; 10]).to_string())
    .bind::<BigInt, _>(max)
    .execute(&mut **tx)
    .await?)
}
