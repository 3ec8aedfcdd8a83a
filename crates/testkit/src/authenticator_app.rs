//! The app on a person's phone.

use crate::app::TestApp;
use crate::caller::Caller;
use serde_json::json;
use std::time::Duration;

/// An authenticator app that knows one secret.
#[derive(Debug, Clone)]
pub struct AuthenticatorApp {
    secret: Vec<u8>,
}

impl AuthenticatorApp {
    /// Reads the secret out of the address that a QR code shows.
    pub fn scan(uri: &str) -> Self {
        let (_, query) = uri.split_once('?').expect("the address has a query");
        let secret = query.split('&').find_map(|pair| pair.strip_prefix("secret=")).expect("it names the secret");
        Self { secret: base32(secret) }
    }

    /// Enrols an app for whoever is signed in on this browser, and confirms it. The clock is past the step of that
    /// code afterwards.
    pub async fn enrolled(app: &TestApp, browser: &Caller) -> Self {
        let begun = browser.post_empty("/v1/me/totp").await;
        let phone = Self::scan(&begun.has_status(200).str("/response/otpauth_uri"));
        let code = phone.code(app, 0);
        browser.post("/v1/me/totp/verify", json!({ "code": code })).await.has_status(200);
        app.advance(Duration::from_secs(30));
        phone
    }

    /// The code that it shows so many steps from now: 0 is the current one, -1 the one before.
    pub fn code(&self, app: &TestApp, steps: i64) -> String {
        crypto::totp::code(&self.secret, app.now().seconds() + 30 * steps).expose().clone()
    }

    /// A code of none of the steps that count at the moment.
    pub fn wrong_code(&self, app: &TestApp) -> String {
        let near: Vec<String> = (-2..=2).map(|steps| self.code(app, steps)).collect();
        let mut codes = (0..).map(|n| format!("{n:06}"));
        codes.find(|code| !near.contains(code)).expect("five of a million are taken")
    }
}

/// RFC 4648, without padding.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for character in text.bytes() {
        let at = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|c| *c == character);
        let value = u32::try_from(at.expect("base32 has 32 characters")).expect("it is below 32");
        (bits, held) = ((bits << 5 | value) & 0xfff, held + 5);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("it is one byte"));
        }
    }
    bytes
}

#[test]
fn a_secret_is_read_as_it_was_written() {
    let secret = b"12345678901234567890";
    assert_eq!(base32(crypto::totp::base32(secret).expose()), secret);
}
