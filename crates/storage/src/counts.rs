//! Exact counts without a row that every change waits for.
//!
//! A change adds a row with its difference; a job folds these into one total per counter.

use crate::log_schema::{count_deltas, counts};
use crate::{Conn, Result, Tx};
use anydb::{Any, Lock};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use domain::EnvironmentId;
use std::collections::BTreeMap;

/// How many rows one statement deletes: each is a parameter, and engines bound their number.
const CHUNK: usize = 500;

/// Changes a counter in the transaction of the change that it counts.
pub async fn add(tx: &mut Tx<'_>, env: EnvironmentId, counter: &str, delta: i64) -> Result<()> {
    if delta == 0 {
        return Ok(());
    }
    let conn: &mut Conn = tx;
    diesel::insert_into(count_deltas::table)
        .values((
            count_deltas::environment_id.eq(env.to_string()),
            count_deltas::id.eq(crypto::random::bytes::<16>().to_vec()),
            count_deltas::counter.eq(counter),
            count_deltas::delta.eq(delta),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(Any))]
struct Sum {
    #[diesel(sql_type = BigInt)]
    total: i64,
}

/// The value of a counter: what every committed change has made of it.
pub async fn total(conn: &mut Conn, env: EnvironmentId, counter: &str) -> Result<i64> {
    // One statement, so that a fold that commits meanwhile is seen whole or not at all.
    let sum: Sum = diesel::sql_query(
        "SELECT CAST( \
             COALESCE((SELECT total FROM counts WHERE environment_id = $1 AND counter = $2), 0) \
             + COALESCE((SELECT SUM(delta) FROM count_deltas WHERE environment_id = $1 AND counter = $2), 0) \
         AS BIGINT) AS total",
    )
    .bind::<Text, _>(env.to_string())
    .bind::<Text, _>(counter)
    .get_result(conn)
    .await?;
    Ok(sum.total)
}

/// Folds at most `max` changes into their totals and says how many there were.
pub async fn fold(tx: &mut Tx<'_>, max: usize) -> Result<usize> {
    let conn: &mut Conn = tx;
    let deltas: Vec<(String, Vec<u8>, String, i64)> = count_deltas::table
        .order((count_deltas::environment_id, count_deltas::id))
        .limit(i64::try_from(max).unwrap_or(i64::MAX))
        .locked_skipping()
        .load(conn)
        .await?;
    let folded = deltas.len();
    // Sorted, so that two folds never wait for each other in a circle.
    let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut ids: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (env, id, counter, delta) in deltas {
        *sums.entry((env.clone(), counter)).or_default() += delta;
        ids.entry(env).or_default().push(id);
    }
    for ((env, counter), sum) in sums {
        diesel::insert_into(counts::table)
            .values((counts::environment_id.eq(env), counts::counter.eq(counter), counts::total.eq(sum)))
            .on_conflict((counts::environment_id, counts::counter))
            .do_update()
            .set(counts::total.eq(counts::total + excluded(counts::total)))
            .execute(conn)
            .await?;
    }
    for (env, ids) in ids {
        for ids in ids.chunks(CHUNK) {
            diesel::delete(count_deltas::table)
                .filter(count_deltas::environment_id.eq(&env))
                .filter(count_deltas::id.eq_any(ids))
                .execute(conn)
                .await?;
        }
    }
    Ok(folded)
}
