//! What the pages for people say is true: the README's commands are run as they stand there.

mod blocks;
pub(crate) mod dev;
mod pages;
mod start;
mod walk;
