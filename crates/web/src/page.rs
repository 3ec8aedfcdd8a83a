//! Pages of lists: from what was asked for to the rows, and to the cursor that goes on.

use crate::error::{ApiError, OrFault};
use crate::state::Asked;
use actix_web::HttpRequest;
use domain::environment::Environment;
use domain::page::{Order, Page, PageRequest, Start};
use domain::{Kind, Surface, code};
use engine::Engine;
use utoipa::{IntoParams, ToSchema};

/// The parameters that every paginated list takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it exists to be documented; `Params::paging` reads the values")]
pub struct PageParams {
    /// Where to go on: `meta.next_cursor` of the page before.
    cursor: Option<String>,
    /// How many rows at most; clamped to 1..500.
    #[param(value_type = Option<i64>, default = 10)]
    limit: Option<i64>,
    /// How many rows to skip; not together with `cursor`.
    #[param(value_type = Option<i64>, default = 0, minimum = 0)]
    offset: Option<i64>,
    /// `+key` ascending, `-key` descending.
    #[param(default = "-created_at")]
    order_by: Option<String>,
}

/// The page that a request asks for.
#[derive(Debug)]
pub struct Paging<K> {
    order: Order<K>,
    limit: i64,
    offset: i64,
    cursor: Option<String>,
    binding: String,
}

/// Notes where the event log ends, before a list of the backend is read: whoever reads the list and then the log from
/// there on misses no change.
pub(crate) async fn note_event_cursor(req: &HttpRequest) -> Result<(), ApiError> {
    let asked = Asked::of(req)?;
    if asked.state.surface == Surface::Bapi {
        let cursor = engine::pull::latest_cursor(&asked.engine, &*asked.env()?).await.or_fault()?;
        asked.state.event_cursor.replace(Some(cursor));
    }
    Ok(())
}

impl<K: Copy> Paging<K> {
    pub(crate) fn new(order: Order<K>, limit: i64, offset: i64, cursor: Option<String>, binding: String) -> Self {
        Self { order, limit, offset, cursor, binding }
    }

    /// The page to read; a cursor that is forged, or of another list, order or filter, is refused.
    pub async fn open(&self, engine: &Engine, env: &Environment) -> Result<PageRequest<K>, ApiError> {
        let start = match &self.cursor {
            None => Start::Offset(self.offset),
            Some(cursor) => {
                let opened = engine::cursor::open(engine, env, &self.binding, cursor).await.or_fault()?;
                let refused = || ApiError::param(Kind::Invalid, code::PARAM_FORMAT_INVALID, "cursor");
                let (value, id) = opened.ok_or_else(refused)?;
                Start::After { value, id }
            }
        };
        Ok(PageRequest { order: self.order, start, limit: self.limit })
    }

    /// The answer for a page that was read.
    pub async fn answer<T: ToSchema>(
        &self,
        engine: &Engine,
        env: &Environment,
        page: Page<T>,
    ) -> Result<api::Page<T>, ApiError> {
        let next_cursor = match page.next {
            None => None,
            Some((value, id)) => Some(engine::cursor::seal(engine, env, &self.binding, value, &id).await.or_fault()?),
        };
        Ok(api::Page::new(page.rows, page.total, next_cursor))
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> (Order<K>, i64, i64, Option<&str>, &str) {
        (self.order, self.limit, self.offset, self.cursor.as_deref(), &self.binding)
    }
}
