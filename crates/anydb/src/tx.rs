//! The proof that a write transaction is open.
use crate::conn::Conn;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A connection inside a write transaction; only [`Handle::write`](crate::Handle::write) makes one.
pub struct Tx<'a>(&'a mut Conn);

impl<'a> Tx<'a> {
    pub(crate) fn new(conn: &'a mut Conn) -> Self {
        Self(conn)
    }
}

impl Deref for Tx<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.0
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        self.0
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tx").field(&self.0.engine()).finish()
    }
}
