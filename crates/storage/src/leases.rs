//! Leases on names: which of several processes does what only one may do.

use crate::log_schema::leases;
use crate::{Conn, Result, Tx};
use diesel::prelude::*;
use diesel::query_dsl::methods::FilterDsl;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use domain::Timestamp;
use std::time::Duration;

/// Takes a lease, or makes one's own longer; false while somebody else holds it.
pub async fn acquire(tx: &mut Tx<'_>, name: &str, owner: &str, now: Timestamp, lease_for: Duration) -> Result<bool> {
    let conn: &mut Conn = tx;
    let take = diesel::insert_into(leases::table)
        .values((leases::name.eq(name), leases::owner.eq(owner), leases::expires_at.eq((now + lease_for).millis())))
        .on_conflict(leases::name)
        .do_update()
        .set((leases::owner.eq(excluded(leases::owner)), leases::expires_at.eq(excluded(leases::expires_at))));
    // Spelled out: the `filter` of `QueryDsl` is for tables only.
    let free = leases::owner.eq(owner).or(leases::expires_at.le(now.millis()));
    Ok(FilterDsl::filter(take, free).execute(conn).await? == 1)
}

/// Gives a lease back; false when it is not the owner's any more.
pub async fn release(tx: &mut Tx<'_>, name: &str, owner: &str) -> Result<bool> {
    let conn: &mut Conn = tx;
    let hit = diesel::delete(leases::table.find(name)).filter(leases::owner.eq(owner)).execute(conn).await?;
    Ok(hit == 1)
}
