//! The error set that every operation shares, as the OpenAPI documents show it.

use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// The errors that any operation may answer with.
pub struct ApiErrors;

const ALL: [(&str, &str); 13] = [
    ("400", "The body cannot be read."),
    ("401", "No valid credential."),
    ("403", "The caller may not do this."),
    ("404", "It does not exist, or not for this caller."),
    ("405", "The path exists, the method does not."),
    ("409", "It conflicts with the state or with another request."),
    ("412", "`If-Match` names another version than the one that stands."),
    ("413", "The body is too large."),
    ("415", "The content type is not read."),
    ("422", "Well-formed, but not acceptable; every problem has an entry."),
    ("429", "Too often; `Retry-After` says when to try again."),
    ("500", "Something failed on our side."),
    ("503", "No room at the moment; `Retry-After` says when to try again."),
];

impl IntoResponses for ApiErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorResponse"))).build();
        let one = |(status, text): &(&str, &str)| {
            let response = ResponseBuilder::new().description(*text).content("application/json", body()).build();
            ((*status).to_owned(), RefOr::T(response))
        };
        ALL.iter().map(one).collect()
    }
}
