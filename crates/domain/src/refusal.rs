//! What the world may hear of an error: a refusal with a stable code, or a fault that is ours.

use crate::code::Code;
use serde_json::{Map, Value};

/// What a refusal means; each surface maps it to a status of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body cannot be read at all.
    Malformed,
    /// No credential, or a bad one.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Does not exist, or the caller may not know that it does.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// Well-formed, but not acceptable.
    Invalid,
    /// Somebody else has it already: 422 on FAPI, 409 on BAPI.
    Taken,
    /// The state does not allow it any more: 422 on FAPI, 409 on BAPI.
    NotLive,
    /// Was there once, and is there no more.
    Gone,
    /// Conflicts with another request or a state, on every surface.
    Conflict,
    /// The caller has seen something else than what is there by now.
    Outdated,
    /// Bigger than what is read.
    TooLarge,
    /// A content type that is not read.
    UnsupportedType,
    /// Too often.
    TooMany,
    /// For the moment there is no room: try again.
    Busy,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What it means.
    pub kind: Kind,
    /// Its stable code.
    pub code: Code,
    /// Facts that go with the code.
    pub meta: Map<String, Value>,
}

impl Problem {
    /// A problem of one parameter, named by its dotted path.
    pub fn of_param(kind: Kind, code: Code, param: impl Into<String>) -> Self {
        Self { kind, code, meta: Map::new() }.with("param", param.into())
    }
    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }
}

/// What the caller hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The caller's business: at least one problem.
    Refused(Vec<Problem>),
    /// Ours: logged, and answered with one sentence and the trace id.
    Fault,
}

impl Verdict {
    /// Adds a fact to every problem of a refusal.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        match self {
            Self::Refused(problems) => {
                Self::Refused(problems.into_iter().map(|p| p.with(name, value.clone())).collect())
            }
            Self::Fault => Self::Fault,
        }
    }
    /// Names the parameter that is meant.
    #[must_use]
    pub fn param(self, path: &str) -> Self {
        self.with("param", path)
    }
}

impl Kind {
    /// A refusal of this kind with one code.
    pub fn code(self, code: Code) -> Verdict {
        Verdict::Refused(vec![Problem { kind: self, code, meta: Map::new() }])
    }
}

/// An error that knows what the world may hear of it.
pub trait Refusal: std::error::Error + Send + Sync + 'static {
    /// What the caller is told.
    fn verdict(&self) -> Verdict;
}
