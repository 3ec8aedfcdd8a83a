//! The inbox as a page for people.

use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpResponse, get};
use outbound::{Inbox, InboxMessage, InboxQuery};
use serde::Deserialize;
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[derive(Deserialize)]
pub(super) struct Shown {
    message: Option<String>,
}

/// The newest messages, and one of them opened.
#[get("/")]
pub(super) async fn page(inbox: Data<Inbox>, shown: Query<Shown>) -> HttpResponse {
    let query = InboxQuery { limit: Some(100), ..InboxQuery::default() };
    let messages = inbox.list(&query).map(|page| page.data).unwrap_or_default();
    let asked = shown.message.as_ref().and_then(|id| id.parse().ok()).and_then(|id| inbox.find(id));
    let open = asked.or_else(|| messages.first().cloned());
    let nonce = crypto::random::jti();
    // The frame of a message inherits this: nothing in a mail runs, and nothing is fetched from elsewhere.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .body(render(&messages, open.as_ref(), &nonce))
}

pub(super) fn render(messages: &[InboxMessage], open: Option<&InboxMessage>, nonce: &str) -> String {
    let mut list = String::new();
    for message in messages {
        let here = if open.is_some_and(|open| open.id == message.id) { " aria-current=\"true\"" } else { "" };
        let _ = write!(
            list,
            "<li><a href=\"/?message={id}\"{here}><b>{to}</b><span>{subject}</span><time>{time}</time></a></li>",
            id = message.id,
            to = escape(&message.to),
            subject = escape(message.subject.as_deref().unwrap_or(&message.text)),
            time = crate::print::moment(message.created_at),
        );
    }
    let newest = messages.first().map(|message| message.id.to_string()).unwrap_or_default();
    let main = match open {
        Some(message) => opened(message),
        None => "<p class=\"empty\">Nothing yet. Messages appear here by themselves.</p>".to_owned(),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Inbox - Latchkey</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\
         <body data-newest=\"{newest}\"><header><h1>Inbox</h1><p>Mail and short messages of this development server. Nothing was sent.</p>\
         <button id=\"clear\" type=\"button\">Delete all</button></header>\
         <div class=\"columns\"><nav aria-label=\"Messages\"><ul>{list}</ul></nav><main>{main}</main></div>\
         <script nonce=\"{nonce}\">{SCRIPT}</script></body></html>"
    )
}

fn opened(message: &InboxMessage) -> String {
    let mut out = format!("<h2>{}</h2><dl>", escape(message.subject.as_deref().unwrap_or("Short message")));
    for (name, value) in [
        ("To", &message.to),
        ("From", &message.from),
        ("Template", &message.template_slug),
        ("Environment", &message.environment_id.to_string()),
    ] {
        // A short message may name no sender.
        if !value.is_empty() {
            let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escape(value));
        }
    }
    out.push_str("</dl>");
    if let Some(code) = &message.code {
        let code = escape(code);
        let _ = write!(
            out,
            "<p class=\"code\"><output>{code}</output><button id=\"copy\" type=\"button\" data-code=\"{code}\">Copy</button></p>"
        );
    }
    // Only what a browser opens as a page becomes a link.
    if let Some(link) = message.link.as_ref().filter(|link| link.starts_with("http://") || link.starts_with("https://"))
    {
        let link = escape(link);
        let _ = write!(out, "<p><a class=\"link\" href=\"{link}\" rel=\"noreferrer\">{link}</a></p>");
    }
    if let Some(html) = &message.html {
        let _ = write!(out, "<iframe sandbox title=\"The message as HTML\" srcdoc=\"{}\"></iframe>", escape(html));
    }
    let _ = write!(out, "<h3>Text</h3><pre>{}</pre>", escape(&message.text));
    out
}

/// A text inside an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
