//! The texts of mails.

use serde_json::{Map, Value};

/// A text in both forms.
pub(super) struct Text {
    pub(super) subject: String,
    pub(super) plain: String,
    pub(super) html: String,
}

const NOT_YOU: &str = "If it was not you, ask for help at once: somebody else may be in your account.";
const IGNORE: &str = "If you did not ask for it, you can ignore this message.";

/// Makes the text of a mail.
pub(super) fn render(slug: &str, variables: &Map<String, Value>) -> Text {
    let get = |path: &str| {
        let mut at = None;
        for name in path.split('.') {
            at = match at {
                None => variables.get(name),
                Some(value) => Value::get(value, name),
            };
        }
        match at {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    };
    let (app, code, ttl) = (get("app.name"), get("code"), get("ttl_minutes"));
    let change = |what: &str| {
        let when = format!("It was done at {} with {}.", get("request.time"), get("request.device"));
        (what.to_owned(), vec![format!("{what}."), when, NOT_YOU.to_owned()])
    };
    let (subject, lines) = match slug {
        "verification_code" => (
            format!("{code} is your {app} code"),
            vec![
                format!("Your code for {app} is {code}."),
                format!("It works for {ttl} minutes and only once. {IGNORE}"),
            ],
        ),
        "reset_password_code" => (
            format!("{code} is your {app} code for a new password"),
            vec![
                format!("Your code to set a new password for {app} is {code}."),
                format!("It works for {ttl} minutes and only once. {IGNORE}"),
            ],
        ),
        "magic_link" => (
            format!("Your link for {app}"),
            vec![
                format!("Open this link to go on to {app}: {}", get("action_url")),
                format!("It works for {ttl} minutes and only once. {IGNORE}"),
            ],
        ),
        "account_exists" => (
            format!("You already have an account with {app}"),
            vec![
                format!(
                    "Somebody, perhaps you, tried to sign up for {app} with this address. It already has an account."
                ),
                "To get in, sign in instead. If it was not you, there is nothing you need to do.".to_owned(),
            ],
        ),
        "invitation" => (
            format!("You are invited to {app}"),
            vec![format!("You are invited to {app}. Open this link to accept: {}", get("action_url"))],
        ),
        "organization_invitation" => (
            format!("You are invited to {}", get("organization.name")),
            vec![format!(
                "You are invited to {} on {app}. Open this link to accept: {}",
                get("organization.name"),
                get("action_url")
            )],
        ),
        "organization_invitation_accepted" => (
            format!("{} joined {}", get("user.email"), get("organization.name")),
            vec![format!("{} accepted the invitation to {}.", get("user.email"), get("organization.name"))],
        ),
        "password_changed" => change(&format!("Your {app} password was changed")),
        "password_removed" => change(&format!("Your {app} password was removed")),
        "primary_email_address_changed" => (
            format!("The e-mail address of your {app} account was changed"),
            vec![format!("This address is no longer the primary one of your {app} account."), NOT_YOU.to_owned()],
        ),
        "passkey_added" => change(&format!("A passkey was added to your {app} account")),
        "passkey_removed" => change(&format!("A passkey was removed from your {app} account")),
        "totp_enabled" => change(&format!("An authenticator app was added to your {app} account")),
        "mfa_disabled" => change(&format!("Your {app} account has no second factor any more")),
        "backup_codes_generated" => change(&format!("New backup codes were made for your {app} account")),
        _ => change(&format!("Your {app} account is locked")),
    };
    Text {
        plain: format!("{}\n", lines.join("\n\n")),
        html: html(&subject, &lines, Some(code.as_str()).filter(|code| !code.is_empty())),
        subject,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn html(subject: &str, lines: &[String], code: Option<&str>) -> String {
    let mut body = String::new();
    for (i, line) in lines.iter().enumerate() {
        body.push_str(&format!("<p style=\"margin:0 0 16px\">{}</p>", escape(line)));
        if let (0, Some(code)) = (i, code) {
            let style = "margin:0 0 16px;font:600 32px/1.2 ui-monospace,Menlo,Consolas,monospace;letter-spacing:6px";
            body.push_str(&format!("<p style=\"{style}\">{}</p>", escape(code)));
        }
    }
    let frame = "font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:480px;margin:32px auto;padding:0 16px";
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head><body><div style=\"{frame}\">{body}</div></body></html>",
        escape(subject)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_markup_stays_text_in_the_html_of_a_mail() {
        let Value::Object(variables) =
            serde_json::json!({ "app": { "name": "<b>Evil</b> & \"Co\"" }, "code": "123456" })
        else {
            unreachable!()
        };
        let html = render("verification_code", &variables).html;
        assert!(!html.contains("<b>Evil"));
        assert!(html.contains("&lt;b&gt;Evil&lt;/b&gt; &amp; &quot;Co&quot;"));
    }
}
