//! What a caller reads when something is refused.

use crate::open::OpenObject;
use domain::code::Code;
use domain::{Problem, RequestId};
use serde::Serialize;
use utoipa::ToSchema;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// What programs match on.
    pub code: String,
    /// Short text for developers.
    pub message: String,
    /// Text fit for the person in front of the screen.
    pub long_message: String,
    /// Facts that go with the code.
    pub meta: OpenObject,
}

/// Everything that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorResponse {
    /// At least one error.
    #[schema(min_items = 1)]
    pub errors: Vec<ErrorBody>,
    /// The id of the request, as in the answer's header.
    pub trace_id: Option<RequestId>,
}

impl From<&Problem> for ErrorBody {
    fn from(problem: &Problem) -> Self {
        Self { meta: problem.meta.clone().into(), ..Self::from(problem.code) }
    }
}

impl From<Code> for ErrorBody {
    fn from(code: Code) -> Self {
        Self {
            code: code.name.to_owned(),
            message: code.message.to_owned(),
            long_message: code.long_message.to_owned(),
            meta: OpenObject::default(),
        }
    }
}

impl ErrorResponse {
    /// The problems of a request.
    pub fn new(problems: &[Problem], trace_id: Option<RequestId>) -> Self {
        Self { errors: problems.iter().map(ErrorBody::from).collect(), trace_id }
    }

    /// One error without facts.
    pub fn of_code(code: Code, trace_id: Option<RequestId>) -> Self {
        Self { errors: vec![ErrorBody::from(code)], trace_id }
    }
}
