//! Answers that are no JSON body.

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};

/// Done, and there is nothing to say: 204.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

impl Responder for NoContent {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }
}
