//! What the product asks of its database.

mod plans;
