//! The development inbox: mail and short messages that would have been sent, for people and for tests.
//!
//! It shows codes to whoever asks, so it exists in `dev` only, listens on loopback only, and answers only to a loopback
//! name: a page elsewhere whose name was re-bound to 127.0.0.1 is refused.

mod page;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Data, Path, Query};
use actix_web::{App, Error, HttpResponse, HttpServer, delete, get};
use outbound::{Channel, Inbox, InboxPage, InboxQuery};
use serde::Deserialize;
use serde_json::json;
use std::io;
use std::net::{IpAddr, TcpListener};

/// The port that is tried first.
pub(crate) const PORT: u16 = 4025;

/// Serves an inbox on a socket.
pub(crate) fn serve(inbox: Inbox, listener: TcpListener) -> io::Result<Server> {
    let inbox = Data::new(inbox);
    let server = HttpServer::new(move || app(inbox.clone())).workers(1).shutdown_timeout(1).disable_signals();
    Ok(server.listen(listener)?.run())
}

fn app(
    inbox: Data<Inbox>,
) -> App<
    impl actix_web::dev::ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(inbox)
        .service(list)
        .service(find)
        .service(clear)
        .service(page::page)
        .wrap(from_fn(loopback_only))
}

async fn loopback_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let hosts: Vec<&HeaderValue> = request.headers().get_all(header::HOST).collect();
    let is_here = matches!(hosts.as_slice(), [host] if host.to_str().is_ok_and(is_loopback_name));
    let mut response = if is_here {
        next.call(request).await?.map_into_boxed_body()
    } else {
        let refusal =
            refuse(StatusCode::FORBIDDEN, "origin_invalid", "the inbox answers to a loopback name only", None);
        request.into_response(refusal).map_into_boxed_body()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Whether the value of a `Host` header names this machine itself.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[derive(Deserialize)]
struct Filters {
    to: Option<String>,
    channel: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

impl Filters {
    fn query(self) -> Result<InboxQuery, &'static str> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let channel = match given(self.channel).as_deref() {
            None => None,
            Some("email") => Some(Channel::Email),
            Some("sms") => Some(Channel::Sms),
            Some(_) => return Err("channel"),
        };
        let limit = given(self.limit).map(|text| text.parse()).transpose().map_err(|_| "limit")?;
        Ok(InboxQuery { to: given(self.to), channel, limit, cursor: given(self.cursor) })
    }
}

#[get("/messages")]
async fn list(inbox: Data<Inbox>, filters: Query<Filters>) -> HttpResponse {
    let found = filters.into_inner().query().and_then(|query| inbox.list(&query).map_err(|_| "cursor"));
    match found {
        Ok(InboxPage { data, total_count, next_cursor }) => {
            let meta = next_cursor.map_or_else(|| json!({}), |cursor| json!({ "next_cursor": cursor }));
            HttpResponse::Ok().json(json!({ "data": data, "total_count": total_count, "meta": meta }))
        }
        Err(param) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            refuse(status, "form_param_format_invalid", "the parameter does not have its form", Some(param))
        }
    }
}

#[get("/messages/{id}")]
async fn find(inbox: Data<Inbox>, id: Path<String>) -> HttpResponse {
    match id.parse().ok().and_then(|id| inbox.find(id)) {
        Some(message) => HttpResponse::Ok().json(message),
        None => refuse(StatusCode::NOT_FOUND, "resource_not_found", "there is no such message", None),
    }
}

#[delete("/messages")]
async fn clear(inbox: Data<Inbox>) -> HttpResponse {
    inbox.clear();
    HttpResponse::NoContent().finish()
}

/// An error in the form that both APIs use.
fn refuse(status: StatusCode, code: &str, message: &str, param: Option<&str>) -> HttpResponse {
    let meta = param.map_or_else(|| json!({}), |param| json!({ "param": param }));
    let error = json!({ "code": code, "message": message, "long_message": message, "meta": meta });
    HttpResponse::build(status).json(json!({ "errors": [error], "trace_id": null }))
}

#[cfg(test)]
mod tests;
