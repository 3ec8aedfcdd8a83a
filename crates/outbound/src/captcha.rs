//! Whether somebody is a person, as a captcha provider tells it: the token of the browser, verified by the server.

use crate::http::{Http, HttpError, Request};
use crypto::Secret;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// Who makes the captcha.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaProvider {
    /// Cloudflare Turnstile.
    Turnstile,
    /// hCaptcha.
    Hcaptcha,
    /// Google reCAPTCHA, version 2 or 3.
    Recaptcha,
}

impl CaptchaProvider {
    /// The word of the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Turnstile => "turnstile",
            Self::Hcaptcha => "hcaptcha",
            Self::Recaptcha => "recaptcha",
        }
    }

    /// Reads the word of the settings.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Turnstile, Self::Hcaptcha, Self::Recaptcha].into_iter().find(|p| p.as_str() == text)
    }

    const fn base_url(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com",
            Self::Hcaptcha => "https://api.hcaptcha.com",
            Self::Recaptcha => "https://www.google.com",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Turnstile => "/turnstile/v0/siteverify",
            Self::Hcaptcha => "/siteverify",
            Self::Recaptcha => "/recaptcha/api/siteverify",
        }
    }
}

/// What a browser brought, and what it is worth something for.
#[derive(Clone, Copy)]
pub struct CaptchaProof<'a> {
    /// Who made the captcha.
    pub provider: CaptchaProvider,
    /// The site's secret.
    pub secret: &'a Secret<String>,
    /// The site's public key, where the provider wants it again.
    pub site_key: Option<&'a str>,
    /// What the widget gave.
    pub token: &'a str,
    /// The browser's address.
    pub remote_ip: Option<IpAddr>,
    /// What the token must have been made for, where the widget says so.
    pub action: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptchaVerdict {
    /// A person.
    Passed,
    /// Not a person, or not our token.
    Refused,
    /// Nobody could tell.
    Unreachable,
}

/// Asks captcha providers.
#[derive(Clone)]
pub struct Captcha {
    http: Http,
    /// In place of the providers' own, for tests.
    base_url: Option<String>,
}

/// How long a provider may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest token: what providers make is shorter.
const LONGEST: usize = 8192;

/// From this score of reCAPTCHA version 3 on it is a person.
const LEAST_SCORE: f64 = 0.5;

#[derive(Deserialize)]
struct Answer {
    success: bool,
    action: Option<String>,
    score: Option<f64>,
    #[serde(rename = "error-codes", default)]
    error_codes: Vec<String>,
}

impl Captcha {
    /// Asks through this client; `base_url` stands for every provider's own.
    pub fn new(http: Http, base_url: Option<String>) -> Self {
        Self { http, base_url }
    }

    /// Has a token verified. Whatever the browser sends cannot make it look as if the provider were gone: only
    /// silence, `5xx` and `429` count as that.
    pub async fn verify(&self, proof: CaptchaProof<'_>) -> CaptchaVerdict {
        let token = proof.token.trim();
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return CaptchaVerdict::Refused;
        }
        let ip = proof.remote_ip.map(|ip| ip.to_canonical().to_string());
        let mut fields = vec![("secret", proof.secret.expose().as_str()), ("response", token)];
        fields.extend(ip.as_deref().map(|ip| ("remoteip", ip)));
        if proof.provider == CaptchaProvider::Hcaptcha {
            fields.extend(proof.site_key.map(|key| ("sitekey", key)));
        }
        let base_url = self.base_url.as_deref().unwrap_or(proof.provider.base_url());
        let url = format!("{base_url}{}", proof.provider.path());
        match self.http.send(Request::post(url).form(&fields).timeout(TIMEOUT)).await {
            Ok(answer) if answer.status == 429 || answer.status >= 500 => CaptchaVerdict::Unreachable,
            Ok(answer) => answer.json::<Answer>().map_or(CaptchaVerdict::Refused, |answer| judge(&answer, &proof)),
            Err(HttpError::TooLarge(_)) => CaptchaVerdict::Refused,
            Err(_) => CaptchaVerdict::Unreachable,
        }
    }
}

fn judge(answer: &Answer, proof: &CaptchaProof<'_>) -> CaptchaVerdict {
    let says = |code: &str| answer.error_codes.iter().any(|other| other == code);
    if !answer.success && says("internal-error") {
        return CaptchaVerdict::Unreachable;
    }
    if says("invalid-input-secret") || says("missing-input-secret") || says("sitekey-secret-mismatch") {
        // Every sign-in fails until somebody mends it.
        tracing::warn!(captcha.provider = proof.provider.as_str(), "the captcha provider does not know the secret key");
    }
    // A widget that names no action has none to compare.
    let made_for_us = answer.action.as_deref().is_none_or(|action| action.is_empty() || action == proof.action);
    let is_person =
        answer.score.is_none_or(|score| score >= LEAST_SCORE || proof.provider != CaptchaProvider::Recaptcha);
    if answer.success && made_for_us && is_person { CaptchaVerdict::Passed } else { CaptchaVerdict::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Reply, Stranger};
    use crate::http::HttpSettings;

    async fn asked(stranger: &Stranger, provider: CaptchaProvider, token: &str) -> CaptchaVerdict {
        let captcha = Captcha::new(Http::new(HttpSettings::development()).unwrap(), Some(stranger.url()));
        let secret = Secret::new("secret".to_owned());
        let proof = CaptchaProof {
            provider,
            secret: &secret,
            site_key: Some("site"),
            token,
            remote_ip: Some("203.0.113.9".parse().unwrap()),
            action: "sign_in",
        };
        captcha.verify(proof).await
    }

    #[tokio::test]
    async fn each_provider_is_asked_in_its_own_form() {
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|_| Reply::new(200, r#"{"success":true}"#));
        let common = [("remoteip", "203.0.113.9"), ("response", "token"), ("secret", "secret")];
        for (provider, path, more) in [
            (CaptchaProvider::Turnstile, "/turnstile/v0/siteverify", None),
            (CaptchaProvider::Hcaptcha, "/siteverify", Some(("sitekey", "site"))),
            (CaptchaProvider::Recaptcha, "/recaptcha/api/siteverify", None),
        ] {
            assert_eq!(asked(&stranger, provider, "token").await, CaptchaVerdict::Passed);

            let request = stranger.asked().pop().unwrap();
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", path));
            let fields = common.into_iter().chain(more).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(request.form(), fields);
        }
    }

    #[tokio::test]
    async fn what_the_provider_says_decides() {
        use CaptchaProvider::{Recaptcha, Turnstile};
        use CaptchaVerdict::{Passed, Refused, Unreachable};
        let stranger = Stranger::start().await.unwrap();
        for (provider, status, body, expected) in [
            (Turnstile, 200, r#"{"success":true,"action":"sign_in"}"#, Passed),
            (Turnstile, 200, r#"{"success":true,"action":""}"#, Passed),
            (Turnstile, 200, r#"{"success":true,"action":"newsletter"}"#, Refused),
            (Turnstile, 200, r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#, Refused),
            (Turnstile, 200, r#"{"success":false,"error-codes":["invalid-input-secret"]}"#, Refused),
            (Turnstile, 200, r#"{"success":false,"error-codes":["internal-error"]}"#, Unreachable),
            (Turnstile, 200, r#"{"success":true,"error-codes":["internal-error"]}"#, Passed),
            (Turnstile, 200, "<html>", Refused),
            (Turnstile, 400, r#"{"success":false}"#, Refused),
            (Turnstile, 403, "<html>", Refused),
            (Turnstile, 302, "", Refused),
            (Turnstile, 429, "", Unreachable),
            (Turnstile, 500, r#"{"success":true}"#, Unreachable),
            (Turnstile, 503, "", Unreachable),
            (Recaptcha, 200, r#"{"success":true,"score":0.9,"action":"sign_in"}"#, Passed),
            (Recaptcha, 200, r#"{"success":true,"score":0.1,"action":"sign_in"}"#, Refused),
        ] {
            stranger.answers(move |_| Reply::new(status, body));
            assert_eq!(asked(&stranger, provider, "token").await, expected, "{status} {body}");
        }
    }

    #[tokio::test]
    async fn nonsense_is_refused_without_asking() {
        let stranger = Stranger::start().await.unwrap();
        for token in ["", "  ", "a b", "a\nb", "ä", &"x".repeat(8193)] {
            assert_eq!(asked(&stranger, CaptchaProvider::Turnstile, token).await, CaptchaVerdict::Refused);
        }
        assert_eq!(stranger.connections(), 0);
    }

    #[tokio::test]
    async fn silence_is_told_apart_from_a_refusal() {
        let captcha = Captcha::new(Http::new(HttpSettings::development()).unwrap(), Some("http://127.0.0.1:1".into()));
        let proof = CaptchaProof {
            provider: CaptchaProvider::Hcaptcha,
            secret: &Secret::new("secret".to_owned()),
            site_key: None,
            token: "token",
            remote_ip: None,
            action: "sign_up",
        };

        assert_eq!(captcha.verify(proof).await, CaptchaVerdict::Unreachable);
    }
}
