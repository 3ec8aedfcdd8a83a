//! From the address on the wire to the tenant's own: the host, the prefix, the device in a link.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HOST, LOCATION};
use actix_web::http::uri::{Authority, PathAndQuery, Uri};
use actix_web::web::Bytes;
use crypto::Secret;

/// The query parameter that carries a device's cookie across sites, in development.
const LINKED_DEVICE: &str = "__authn_db_jwt";

/// The host that was asked for: `Host`, never a forwarded one.
pub(crate) fn host(req: &ServiceRequest) -> &str {
    let mut values = req.headers().get_all(HOST);
    let header = values.next().and_then(|value| value.to_str().ok());
    // Two hosts are none: a proxy and we might pick different ones.
    if values.next().is_some() {
        return "";
    }
    header.or_else(|| req.uri().authority().map(Authority::as_str)).unwrap_or_default()
}

/// The path and query behind a prefix, which must end where a segment ends.
fn behind(path_and_query: &str, prefix: usize) -> Option<String> {
    let rest = path_and_query.get(prefix..)?;
    match rest.bytes().next() {
        Some(b'/') => Some(rest.to_owned()),
        None | Some(b'?') => Some(format!("/{rest}")),
        Some(_) => None,
    }
}

/// Takes the tenant's prefix off the path, before routing; false when the path does not allow it.
pub(crate) fn strip(req: &mut ServiceRequest, prefix: usize) -> bool {
    let Some(whole) = req.uri().path_and_query() else { return false };
    let Some(rest) = behind(whole.as_str(), prefix) else { return false };
    let Ok(rest) = PathAndQuery::from_maybe_shared(Bytes::from(rest)) else { return false };
    let uri = if req.uri().authority().is_none() {
        // What nearly every request names: a path and no host, so that there is nothing else to keep.
        Uri::from(rest)
    } else {
        let mut parts = req.uri().clone().into_parts();
        parts.path_and_query = Some(rest);
        let Ok(uri) = Uri::from_parts(parts) else { return false };
        uri
    };
    req.match_info_mut().get_mut().update(&uri);
    req.head_mut().uri = uri;
    true
}

/// The device in a query string, and the query without it.
pub(crate) fn linked_device(query: &str) -> Option<(Secret<String>, String)> {
    if !query.contains(LINKED_DEVICE) {
        return None;
    }
    let mut found = None;
    let mut rest = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name == LINKED_DEVICE {
            found = Some(Secret::new(value.into_owned()));
        } else {
            rest.append_pair(&name, &value);
        }
    }
    found.map(|value| (value, rest.finish()))
}

/// Sends the browser to the same page without the device in its address.
pub(crate) fn redirect(path: &str, query: &str) -> HttpResponse {
    // Two slashes at the start would name another host.
    let path = format!("/{}", path.trim_start_matches(['/', '\\']));
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    HttpResponse::Found().insert_header((LOCATION, target)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    fn stripped(uri: &str, prefix: usize) -> Option<String> {
        let mut req = TestRequest::with_uri(uri).to_srv_request();
        strip(&mut req, prefix).then(|| req.uri().to_string())
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let prefix = "/wise-otter".len();
        assert_eq!(stripped("/wise-otter/v1/me?a=b%2Fc", prefix).as_deref(), Some("/v1/me?a=b%2Fc"));
        assert_eq!(stripped("/wise-otter", prefix).as_deref(), Some("/"));
        assert_eq!(stripped("/wise-otter?x=1", prefix).as_deref(), Some("/?x=1"));
        assert_eq!(stripped("/wise-otters/v1/me", prefix), None);
        assert_eq!(stripped("/wise-otter//v1/me", prefix).as_deref(), Some("//v1/me"), "and two slashes stay two");
        assert_eq!(stripped("/wise-otter/%2Fv1/me", prefix).as_deref(), Some("/%2Fv1/me"));
    }

    #[test]
    fn the_router_sees_the_path_without_the_prefix() {
        let mut req = TestRequest::with_uri("/wise-otter/v1/me").to_srv_request();

        assert!(strip(&mut req, "/wise-otter".len()));

        assert_eq!(req.path(), "/v1/me");
        assert_eq!(req.match_info().unprocessed(), "/v1/me");
    }

    #[test]
    fn a_host_in_the_address_stays() {
        assert_eq!(
            stripped("http://a.example:1/wise-otter/v1/me?x", "/wise-otter".len()).as_deref(),
            Some("http://a.example:1/v1/me?x")
        );
    }

    #[test]
    fn the_device_is_taken_out_of_a_link() {
        let (device, rest) = linked_device("a=1&__authn_db_jwt=client_1.x&b=%2F").unwrap();
        assert_eq!((device.expose().as_str(), rest.as_str()), ("client_1.x", "a=1&b=%2F"));
        assert!(linked_device("a=__authn_db_jwt").is_none());
    }

    #[test]
    fn the_redirect_stays_on_this_host() {
        let location = |path| redirect(path, "").headers().get(LOCATION).unwrap().to_str().unwrap().to_owned();
        assert_eq!(location("//evil.example/x"), "/evil.example/x");
        assert_eq!(location("/wise-otter/v1/client"), "/wise-otter/v1/client");
    }

    proptest! {
        #[test]
        fn any_prefix_length_is_survived(path in "/[a-z/%?]{0,30}", prefix in 0_usize..40) {
            behind(&path, prefix);
        }
    }
}
