//! The texts of queries, each written once.
use crate::backend::EngineKind;
use diesel::result::QueryResult;
use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The text of a query, without its values.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) sql: String,
    pub(crate) parameters: usize,
    /// Whether a prepared statement of it may be kept.
    pub(crate) keep: bool,
}

thread_local! {
    // As many as there are queries in the program.
    static WRITTEN: RefCell<HashMap<(TypeId, EngineKind), Rc<Text>>> = RefCell::default();
}

/// The text of a query whose type says all of it (that is what its id promises); any other is built each time.
pub(crate) fn of(
    id: Option<TypeId>,
    engine: EngineKind,
    build: &dyn Fn() -> QueryResult<Text>,
) -> QueryResult<Rc<Text>> {
    let Some(id) = id else { return build().map(Rc::new) };
    let known = WRITTEN.with_borrow(|written| written.get(&(id, engine)).cloned());
    if let Some(text) = known {
        return Ok(text);
    }
    let text = Rc::new(build()?);
    WRITTEN.with_borrow_mut(|written| written.insert((id, engine), Rc::clone(&text)));
    Ok(text)
}
