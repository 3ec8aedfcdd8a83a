//! From an error to what the world hears of it: the one door by which every refusal and fault leaves.

mod answer;
mod document;

pub use document::ApiErrors;

pub(crate) use answer::{Answer, chain, log_fault};

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use domain::code::Code;
use domain::{Kind, Problem, Refusal, Surface, Verdict};
use engine::idempotency::StoredAnswer;
use std::error::Error;
use std::fmt;

/// What ends a handler early: a refusal, a fault of ours, or the stored answer of an earlier request.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
enum Inner {
    Refused(Vec<Problem>),
    Fault(Box<dyn Error + Send + Sync>),
    Stored(StoredAnswer),
}

/// A handler runs without the edge in front of it.
#[derive(Debug, thiserror::Error)]
#[error("the request did not pass the edge, or the edge found no environment for it")]
pub(crate) struct NoEdge;

/// A refusal without a single problem.
#[derive(Debug, thiserror::Error)]
#[error("a refusal that does not say why")]
struct Speechless;

impl ApiError {
    /// A fault of ours: logged with its sources, answered with one sentence.
    pub fn fault(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(Inner::Fault(Box::new(error))))
    }

    /// A refusal with several problems at once.
    pub fn problems(problems: Vec<Problem>) -> Self {
        if problems.is_empty() {
            return Self::fault(Speechless);
        }
        Self(Box::new(Inner::Refused(problems)))
    }

    /// A refusal with one code.
    pub fn refuse(kind: Kind, code: Code) -> Self {
        Self::problem(Problem { kind, code, meta: serde_json::Map::new() })
    }

    /// A refusal of one parameter.
    pub fn param(kind: Kind, code: Code, param: &str) -> Self {
        Self::problem(Problem::of_param(kind, code, param))
    }

    /// A refusal with one problem.
    pub fn problem(problem: Problem) -> Self {
        Self(Box::new(Inner::Refused(vec![problem])))
    }

    /// The answer that an earlier request with the same idempotency key got.
    pub fn stored(answer: StoredAnswer) -> Self {
        Self(Box::new(Inner::Stored(answer)))
    }

    /// What the caller is refused for; empty for anything else.
    pub fn refused(&self) -> &[Problem] {
        match &*self.0 {
            Inner::Refused(problems) => problems,
            Inner::Fault(_) | Inner::Stored(_) => &[],
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Refused(problems) => {
                let codes: Vec<&str> = problems.iter().map(|p| p.code.name).collect();
                write!(f, "refused: {}", codes.join(", "))
            }
            Inner::Fault(_) => f.write_str("a fault of ours"),
            Inner::Stored(_) => f.write_str("answered before"),
        }
    }
}

impl<E: Refusal> From<E> for ApiError {
    fn from(error: E) -> Self {
        match error.verdict() {
            Verdict::Refused(problems) => Self::problems(problems),
            Verdict::Fault => Self::fault(error),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        Answer::of(self, Surface::Fapi, None).status
    }

    // The edge renders the error again, with the surface and the trace id that are not known here.
    fn error_response(&self) -> actix_web::HttpResponse {
        Answer::of(self, Surface::Fapi, None).into_response()
    }
}

/// Turns errors that say nothing to the world into faults.
pub trait OrFault<T> {
    /// The value, or a fault of ours.
    fn or_fault(self) -> Result<T, ApiError>;
}

impl<T, E: Error + Send + Sync + 'static> OrFault<T> for Result<T, E> {
    fn or_fault(self) -> Result<T, ApiError> {
        self.map_err(ApiError::fault)
    }
}

#[cfg(test)]
mod tests;
