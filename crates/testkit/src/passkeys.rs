//! Passkeys of the people of a test.

use crate::app::TestApp;
use crate::authenticator::{Authenticator, Lie};
use crate::caller::Caller;
use crate::environment::TestEnvironment;
use crate::person::SignedInUser;
use crate::reply::Reply;
use crate::setup::ORIGIN;
use serde_json::{Value, json};

/// The relying party of tests: the servers of tests have no name that could be one.
pub const RP_ID: &str = "example.test";

/// A challenge by passkey: where it is answered, and what the browser is asked with.
#[derive(Debug, Clone)]
pub struct PasskeyChallenge {
    /// The challenge's path.
    pub path: String,
    /// The request options.
    pub options: Value,
}

impl TestApp {
    /// An empty authenticator in a browser on the application's page; lets the environment use passkeys.
    pub async fn authenticator(&self) -> Authenticator {
        self.authenticator_of(&self.env).await
    }

    /// The same for another environment.
    pub async fn authenticator_of(&self, env: &TestEnvironment) -> Authenticator {
        self.settings_of(env, |s| s.authentication_strategies.passkey.rp_id = Some(RP_ID.to_owned())).await;
        Authenticator::on(ORIGIN)
    }
}

impl SignedInUser {
    /// Begins the registration of a passkey: the path that completes it, and the creation options.
    pub async fn begins_passkey(&self) -> PasskeyChallenge {
        let begun = self.post("/v1/me/passkeys/begin-registration", json!({})).await;
        let id = begun.has_status(201).str("/id");
        let path = format!("/v1/me/passkeys/complete-registration/{id}");
        PasskeyChallenge { path, options: begun.at("/creation_options").clone() }
    }

    /// Enrols a passkey on an authenticator; its id.
    pub async fn enrols(&self, device: &mut Authenticator) -> String {
        let begun = self.begins_passkey().await;
        let attestation = device.create(&begun.options);
        let done = self.post(&begun.path, json!({ "attestation": attestation })).await;
        done.has_status(201).str("/response/id")
    }
}

impl Caller {
    /// Begins a sign-in by passkey, of whoever the identifier names or, without one, the passkey.
    pub async fn asks_for_passkey(&self, identifier: Option<&str>) -> PasskeyChallenge {
        let body = identifier.map_or(json!({}), |identifier| json!({ "identifier": identifier }));
        let begun = self.post("/v1/client/sign-ins", body).await;
        let parent = format!("/v1/client/sign-ins/{}", begun.has_status(200).str("/response/id"));
        self.asks_for_passkey_under(&parent).await
    }

    /// Asks for a passkey under a sign-in or a session.
    pub async fn asks_for_passkey_under(&self, parent: &str) -> PasskeyChallenge {
        let issued = self.post(format!("{parent}/challenges"), json!({ "strategy": "passkey" })).await;
        let id = issued.has_status(200).str("/response/id");
        let options = issued.at("/response/request_options").clone();
        PasskeyChallenge { path: format!("{parent}/challenges/{id}"), options }
    }

    /// Answers a challenge by passkey with what an authenticator gave.
    pub async fn asserts(&self, challenge: &PasskeyChallenge, assertion: Value) -> Reply {
        self.post(format!("{}/answer", challenge.path), json!({ "assertion": assertion })).await
    }

    /// Signs in with a passkey alone, told with a lie.
    pub async fn signs_in_with(&self, device: &mut Authenticator, lie: Lie) -> Reply {
        let challenge = self.asks_for_passkey(None).await;
        let assertion = device.get_with(&challenge.options, lie);
        self.asserts(&challenge, assertion).await
    }
}
