//! What the product asks of its database.

mod native;
mod plans;
mod purge;
