//! PostgreSQL: how a server is reached and how its connections are lent out.
mod connect;
mod pool;

pub(crate) use connect::Server;
pub(crate) use pool::{Lease, Pool};
