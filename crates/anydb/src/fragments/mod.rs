//! What differs between the engines, each difference in one fragment.
mod lock;
mod sum;
mod text;

pub use lock::{Lock, Locked};
pub use sum::{Total, total};
pub use text::{Bytewise, Contains, Searchable, bytewise, contains};
