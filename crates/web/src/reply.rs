//! Answers that are written by hand.

use actix_web::body::BoxBody;
use actix_web::http::header::ContentType;
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

/// A token that was just made: the body of [`api::Token`]. A compact token is base64url and dots (RFC 7515 section
/// 7.1), which JSON escapes nowhere: the kilobyte is not looked at letter by letter.
#[derive(Debug)]
pub struct Minted(pub String);

impl Responder for Minted {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let Self(jwt) = self;
        HttpResponse::Ok()
            .insert_header(ContentType::json())
            .body(["{\"object\":\"token\",\"jwt\":\"", &jwt, "\"}"].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[actix_web::test]
    async fn a_minted_token_has_the_body_that_is_documented() {
        let response = Minted("aa.b-b.c_c".to_owned()).respond_to(&TestRequest::default().to_http_request());

        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        let documented = serde_json::to_string(&api::Token::new("aa.b-b.c_c".to_owned())).unwrap();
        assert_eq!(body, documented);
    }
}
