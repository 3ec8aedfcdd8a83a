//! Short messages through Twilio's REST API (version 2010-04-01).

use super::{Sms, SmsCarrier, SmsError, SmsSending, Unacceptable};
use crate::http::{Http, Request};
use crypto::Secret;
use std::time::Duration;

/// Where messages to Twilio go, and on whose account.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// The account: `AC...`.
    pub account_sid: String,
    /// Its token.
    pub auth_token: Secret<String>,
    /// Who sends: a number in E.164 form, a name, or a messaging service (`MG...`).
    pub sender: String,
    /// The API, without a slash at the end.
    pub base_url: String,
    /// How long one call may take.
    pub timeout: Duration,
}

impl TwilioSettings {
    /// The API of Twilio itself.
    pub const BASE_URL: &str = "https://api.twilio.com";
}

/// Hands short messages to Twilio.
pub struct Twilio {
    settings: TwilioSettings,
    http: Http,
}

/// What Twilio says when it refuses; its text may hold the number.
#[derive(serde::Deserialize)]
struct Problem {
    code: Option<i64>,
}

impl Twilio {
    /// A carrier on this account.
    pub fn new(settings: TwilioSettings, http: Http) -> Self {
        Self { settings, http }
    }

    async fn deliver(&self, sms: &Sms) -> Result<(), SmsError> {
        let settings = &self.settings;
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", settings.base_url, settings.account_sid);
        let sender = sms.from.as_deref().unwrap_or(&settings.sender);
        let of_sender = if is_service(sender) { "MessagingServiceSid" } else { "From" };
        let request = Request::post(url)
            .basic(&settings.account_sid, &settings.auth_token)
            .form(&[("To", &sms.to), (of_sender, sender), ("Body", &sms.body)])
            .timeout(settings.timeout);
        let answer = self.http.send(request).await?;
        if answer.is_success() {
            return Ok(());
        }
        let code = answer.json::<Problem>().ok().and_then(|problem| problem.code).unwrap_or_default();
        Err(Unacceptable { status: answer.status, code }.into())
    }
}

/// Whether the sender is a messaging service, which chooses among numbers of its own.
fn is_service(sender: &str) -> bool {
    sender.len() == 34 && sender.starts_with("MG") && sender[2..].bytes().all(|b| b.is_ascii_hexdigit())
}

impl SmsCarrier for Twilio {
    fn send<'a>(&'a self, sms: &'a Sms) -> SmsSending<'a> {
        Box::pin(self.deliver(sms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Reply, Stranger};
    use crate::http::HttpSettings;
    use crate::sms::tests::sms;

    fn carrier(base_url: String) -> Twilio {
        let settings = TwilioSettings {
            account_sid: "AC123".to_owned(),
            auth_token: Secret::new("token".to_owned()),
            sender: "+15005550006".to_owned(),
            base_url,
            timeout: Duration::from_millis(500),
        };
        Twilio::new(settings, Http::new(HttpSettings::development()).unwrap())
    }

    #[tokio::test]
    async fn a_message_is_handed_over_in_the_form_of_twilio() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| Reply::new(201, r#"{"sid":"SM1","status":"queued"}"#));

        carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap();

        let asked = &stranger.asked()[0];
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/2010-04-01/Accounts/AC123/Messages.json"));
        assert_eq!(asked.header("authorization"), Some("Basic QUMxMjM6dG9rZW4="), "account and token");
        let fields = [("Body", "123456 is your code."), ("From", "+15005550006"), ("To", "+4915112345678")];
        assert_eq!(asked.form(), fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[tokio::test]
    async fn a_messaging_service_and_a_sender_of_the_message_are_named_as_what_they_are() {
        let stranger = Stranger::start().await.unwrap();
        let service = format!("MG{}", "0a".repeat(16));
        let message = sms("+4915112345678");

        for from in [service.as_str(), "Acme"] {
            let own = Sms { from: Some(from.to_owned()), ..message.clone() };
            carrier(stranger.url()).send(&own).await.unwrap();
        }

        let asked = stranger.asked();
        assert_eq!(asked[0].form()["MessagingServiceSid"], service);
        assert!(!asked[0].form().contains_key("From"));
        assert_eq!(asked[1].form()["From"], "Acme");
    }

    #[tokio::test]
    async fn a_number_that_is_refused_is_final_and_a_carrier_in_trouble_is_not() {
        let stranger = Stranger::start().await.unwrap();
        for (status, may_retry) in [(400, false), (401, false), (404, false), (429, true), (500, true), (503, true)] {
            let body = r#"{"code":21211,"message":"The 'To' number +4915112345678 is not valid"}"#;
            stranger.answers(move |_| Reply::new(status, body));

            let error = carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap_err();

            assert_eq!(error.may_retry(), may_retry, "{status}");
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(cause, format!("the carrier answered {status}, code 21211"), "and no number");
        }
    }

    #[tokio::test]
    async fn a_carrier_that_is_slow_or_gone_is_asked_again_later() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| Reply::new(201, "{}").after(Duration::from_secs(20)));

        for url in [stranger.url(), "http://127.0.0.1:1".to_owned()] {
            assert!(carrier(url).send(&sms("+4915112345678")).await.unwrap_err().may_retry());
        }
    }

    #[tokio::test]
    async fn an_address_that_may_not_be_called_is_final() {
        let error = carrier("http://10.0.0.1".to_owned()).send(&sms("+4915112345678")).await.unwrap_err();

        assert!(!error.may_retry());
    }
}
