//! Who is in front of the answer: a person with a browser, or a program.

use actix_web::dev::Payload;
use actix_web::http::header::ACCEPT;
use actix_web::{FromRequest, HttpRequest};
use std::convert::Infallible;
use std::future::{Ready, ready};

/// Whether the caller asked for a page by name; whoever takes anything gets JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantsHtml(pub bool);

impl FromRequest for WantsHtml {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let accepted = req.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        ready(Ok(Self(accepted.flat_map(|value| value.split(',')).any(is_html))))
    }
}

fn is_html(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/html"));
    // RFC 9110 section 12.4.2: a weight of 0 is a refusal.
    let refused = parts.any(|parameter| {
        let weight = parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        weight.is_some_and(|(_, weight)| weight.trim().parse::<f32>().is_ok_and(|weight| weight == 0.0))
    });
    named && !refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn wants(accept: &str) -> bool {
        let req = TestRequest::default().insert_header((ACCEPT, accept)).to_http_request();
        WantsHtml::from_request(&req, &mut Payload::None).into_inner().is_ok_and(|wants| wants.0)
    }

    #[test]
    fn a_page_is_for_whoever_names_it() {
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(wants("application/json, Text/HTML;q=0.5"));
        for program in ["*/*", "application/json", "text/html;q=0, */*", "text/*", ""] {
            assert!(!wants(program), "{program}");
        }
    }
}
