//! Short messages through Vonage's SMS API.

use super::{Sms, SmsCarrier, SmsError, SmsSending, Unacceptable};
use crate::http::{Http, Request};
use crypto::Secret;
use serde::Deserialize;
use std::time::Duration;

/// Where messages to Vonage go, and on whose account.
#[derive(Debug, Clone)]
pub struct VonageSettings {
    /// The account's key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: Secret<String>,
    /// Who sends: a number or a name.
    pub sender: String,
    /// The API, without a slash at the end.
    pub base_url: String,
    /// How long one call may take.
    pub timeout: Duration,
}

impl VonageSettings {
    /// The API of Vonage itself.
    pub const BASE_URL: &str = "https://rest.nexmo.com";
}

/// Hands short messages to Vonage.
pub struct Vonage {
    settings: VonageSettings,
    http: Http,
}

/// Vonage answers 200 whatever comes of it, and tells of each part of a long message.
#[derive(Deserialize)]
struct Answer {
    messages: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    status: String,
}

impl Vonage {
    /// A carrier on this account.
    pub fn new(settings: VonageSettings, http: Http) -> Self {
        Self { settings, http }
    }

    async fn deliver(&self, sms: &Sms) -> Result<(), SmsError> {
        let settings = &self.settings;
        let sender = sms.from.as_deref().unwrap_or(&settings.sender);
        let request = Request::post(format!("{}/sms/json", settings.base_url))
            .form(&[
                ("api_key", &settings.api_key),
                ("api_secret", settings.api_secret.expose()),
                // Numbers are written without the plus.
                ("from", sender.strip_prefix('+').unwrap_or(sender)),
                ("to", sms.to.strip_prefix('+').unwrap_or(&sms.to)),
                ("text", &sms.body),
                ("type", if fits_gsm(&sms.body) { "text" } else { "unicode" }),
            ])
            .timeout(settings.timeout);
        let answer = self.http.send(request).await?;
        if !answer.is_success() {
            return Err(Unacceptable { status: answer.status, code: 0 }.into());
        }
        let unreadable = |error: serde_json::Error| SmsError::Refused(error.into());
        let parts: Vec<i64> = answer
            .json::<Answer>()
            .map_err(unreadable)?
            .messages
            .iter()
            .map(|part| part.status.parse().unwrap_or(-1))
            .collect();
        let Some(code) = parts.iter().copied().find(|code| *code != 0) else { return Ok(()) };
        let problem = Unacceptable { status: answer.status, code };
        // What went out in part would go out twice.
        let nothing_went = parts.iter().all(|code| *code != 0);
        Err(if nothing_went && PASSING.contains(&code) {
            SmsError::Unreachable(Box::new(problem))
        } else {
            SmsError::Refused(Box::new(problem))
        })
    }
}

/// Throttled, internal error, quota exceeded, too many binds: another time it may work.
const PASSING: [i64; 4] = [1, 5, 9, 10];

/// Whether the alphabet of short messages has every character: the backtick is the one of ASCII that it lacks.
fn fits_gsm(text: &str) -> bool {
    text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b) && b != b'`')
}

impl SmsCarrier for Vonage {
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

    fn carrier(base_url: String) -> Vonage {
        let settings = VonageSettings {
            api_key: "key".to_owned(),
            api_secret: Secret::new("secret".to_owned()),
            sender: "Latchkey".to_owned(),
            base_url,
            timeout: Duration::from_millis(500),
        };
        Vonage::new(settings, Http::new(HttpSettings::development()).unwrap())
    }

    fn says(codes: &[&str]) -> Reply {
        let parts: Vec<_> = codes.iter().map(|code| serde_json::json!({ "status": code })).collect();
        Reply::new(200, serde_json::json!({ "message-count": codes.len().to_string(), "messages": parts }).to_string())
    }

    #[tokio::test]
    async fn a_message_is_handed_over_in_the_form_of_vonage() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| says(&["0"]));

        carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap();
        let other =
            Sms { from: Some("+15005550006".to_owned()), body: "Schlüssel".to_owned(), ..sms("+4915112345678") };
        carrier(stranger.url()).send(&other).await.unwrap();

        let asked = stranger.asked();
        assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/sms/json"));
        let fields = [
            ("api_key", "key"),
            ("api_secret", "secret"),
            ("from", "Latchkey"),
            ("text", "123456 is your code."),
            ("to", "4915112345678"),
            ("type", "text"),
        ];
        assert_eq!(asked[0].form(), fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
        assert_eq!((asked[1].form()["from"].as_str(), asked[1].form()["type"].as_str()), ("15005550006", "unicode"));
    }

    #[tokio::test]
    async fn what_vonage_says_inside_of_200_counts() {
        let stranger = Stranger::start().await.unwrap();
        for (codes, may_retry) in [
            (&["1"][..], true),
            (&["5"], true),
            (&["9"], true),
            (&["2"], false),
            (&["4"], false),
            (&["7"], false),
            (&["15"], false),
            (&["29"], false),
            (&["0", "1"], false),
            (&["strange"], false),
        ] {
            let owned: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
            stranger.answers(move |_| says(&owned.iter().map(String::as_str).collect::<Vec<_>>()));

            let error = carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap_err();

            assert_eq!(error.may_retry(), may_retry, "{codes:?}");
        }
    }

    #[tokio::test]
    async fn a_status_of_http_counts_as_well() {
        let stranger = Stranger::start().await.unwrap();
        for (status, may_retry) in [(401, false), (422, false), (429, true), (500, true)] {
            stranger.answers(move |_| Reply::new(status, ""));

            let error = carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap_err();

            assert_eq!(error.may_retry(), may_retry, "{status}");
        }
        stranger.answers(|_| Reply::new(200, "<html>"));
        assert!(!carrier(stranger.url()).send(&sms("+4915112345678")).await.unwrap_err().may_retry());
    }
}
