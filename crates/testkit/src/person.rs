//! People of a test, by name.

use crate::app::TestApp;
use crate::caller::Caller;
use crate::environment::TestEnvironment;
use serde_json::json;
use std::ops::Deref;

/// A person that exists.
#[derive(Debug, Clone)]
pub struct KnownUser {
    /// The user's id.
    pub id: String,
    /// The primary address, `<name>@example.com`.
    pub email: String,
    /// The id of the primary address.
    pub email_id: String,
    /// The password.
    pub password: String,
}

/// A person by name, perhaps not made yet.
pub struct Named<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) env: TestEnvironment,
    pub(crate) name: String,
}

impl Named<'_> {
    /// The person, made through the backend API when the name is new: verified address, password, nothing else.
    pub async fn created(&self) -> KnownUser {
        let key = format!("{} {}", self.env.id, self.name);
        let known = self.app.people.borrow().get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let email = format!("{}@example.com", self.name);
        let password = format!("correct horse of {}", self.name);
        let body = json!({ "email_address": [email], "password": password });
        let reply = self.app.bapi_of(&self.env).post("/v1/users", body).await;
        reply.has_status(201);
        let known = KnownUser { id: reply.str("/id"), email, email_id: reply.str("/email_addresses/0/id"), password };
        self.app.people.borrow_mut().insert(key, known.clone());
        known
    }

    /// The person signed in with the password on a browser of its own.
    pub async fn signed_in(&self) -> SignedInUser {
        self.signed_in_on(&self.app.anyone_of(&self.env)).await
    }

    /// The person signed in with the password on this browser, beside whoever is.
    pub async fn signed_in_on(&self, browser: &Caller) -> SignedInUser {
        let user = self.created().await;
        let body = json!({ "identifier": user.email, "strategy": "password", "password": user.password });
        let reply = browser.post("/v1/client/sign-ins", body).await;
        reply.is(200, json!({ "response": { "status": "complete" } }));
        let session = reply.str("/response/created_session_id");
        SignedInUser { user, session, browser: browser.clone() }
    }
}

/// A signed-in person with the browser it happened on; calls like a [`Caller`].
#[derive(Debug, Clone)]
pub struct SignedInUser {
    /// The person.
    pub user: KnownUser,
    /// The session's id.
    pub session: String,
    /// The browser.
    pub browser: Caller,
}

impl SignedInUser {
    /// The user's id.
    pub fn id(&self) -> &str {
        &self.user.id
    }

    /// A fresh session token.
    pub async fn token(&self) -> String {
        let reply = self.browser.post_empty(format!("/v1/client/sessions/{}/tokens", self.session)).await;
        reply.has_status(200);
        reply.str("/jwt")
    }

    /// A program that has nothing but a fresh session token: no cookies, no origin.
    pub async fn bearer(&self) -> Caller {
        let token = self.token().await;
        let plain = Caller { jar: None, origin: None, ..self.browser.clone() };
        plain.with_authorization(&format!("Bearer {token}"))
    }
}

impl Deref for SignedInUser {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.browser
    }
}
