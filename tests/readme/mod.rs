//! What the pages for people say is true: the README's commands are run as they stand there.

mod dev;
mod pages;
mod readme;
mod start;
mod walk;
