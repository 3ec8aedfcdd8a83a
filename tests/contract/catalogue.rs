//! One object of every kind of an environment, and what a request body may be filled with.

use serde_json::{Map, Value, json};
use testkit::{Call, Caller, Operation, SignedInUser, TestApp, TestEnvironment};

/// The objects of one person in one environment, by the names that path parameters and bodies give their ids.
pub(super) struct Objects {
    /// The person, signed in on a browser.
    pub person: SignedInUser,
    /// A browser of the person's with a sign-in in progress.
    pub signing_in: Caller,
    /// A browser with a sign-up in progress.
    pub signing_up: Caller,
    sign_in: (String, String),
    sign_up: (String, String),
    email: (String, String),
    phone: (String, String),
    session_challenge: String,
    sign_in_token: String,
    actor_token: String,
    invitation: String,
    passkey: (String, String),
    allowed: String,
    blocked: String,
    redirect_url: String,
    event: String,
    /// A webhook endpoint, and a delivery to it.
    webhook: (String, String),
    jwt_template: String,
    api_key: String,
    environment: (String, String),
    backend: Caller,
    operator: Caller,
}

/// Makes one object of every kind.
pub(super) async fn objects(app: &TestApp, env: &TestEnvironment, name: &str) -> Objects {
    let person = app.user_of(env, name).signed_in().await;

    let address = json!({ "email_address": format!("{name}.second@example.com") });
    let added = person.post("/v1/me/email-addresses", address).await;
    let email = added.has_status(200).str("/response/id");
    let email_challenge = challenge(&person, &format!("/v1/me/email-addresses/{email}")).await;

    app.settings_of(env, |s| s.attribute_settings.phone_number.enabled = true).await;
    // A test number of the person's own: nothing is sent, and no budget is spent.
    let last_digits = name.bytes().map(u32::from).sum::<u32>() % 100;
    let number = json!({ "phone_number": format!("+155555501{last_digits:02}") });
    let phone = person.post("/v1/me/phone-numbers", number).await.has_status(201).str("/response/id");
    let asked =
        person.post(format!("/v1/me/phone-numbers/{phone}/challenges"), json!({ "strategy": "phone_code" })).await;
    let phone_challenge = asked.has_status(200).str("/response/id");

    let session_challenge = challenge(&person, &format!("/v1/client/sessions/{}", person.session)).await;

    let mut device = app.authenticator_of(env).await;
    let passkey = person.enrols(&mut device).await;
    let registration = person.begins_passkey().await.path;
    let registration = registration.rsplit('/').next().unwrap_or_default().to_owned();

    let signing_in = app.anyone_of(env);
    let begun = signing_in.post("/v1/client/sign-ins", json!({ "identifier": person.user.email })).await;
    let sign_in = begun.has_status(200).str("/response/id");
    let sign_in_challenge = challenge(&signing_in, &format!("/v1/client/sign-ins/{sign_in}")).await;

    let signing_up = app.anyone_of(env);
    let staged = json!({ "email_address": format!("{name}.new@example.com") });
    let begun = signing_up.post("/v1/client/sign-ups", staged).await;
    let sign_up = begun.has_status(200).str("/response/id");
    let sign_up_challenge = challenge(&signing_up, &format!("/v1/client/sign-ups/{sign_up}")).await;

    let bapi = app.bapi_of(env);
    let ticket = bapi.post("/v1/sign-in-tokens", json!({ "user_id": person.id() })).await.has_status(201).str("/id");
    let wanted = json!({ "user_id": person.id(), "actor": { "sub": "operator" } });
    let actor_token = bapi.post("/v1/actor-tokens", wanted).await.has_status(201).str("/id");
    let wanted = json!({ "email_address": format!("{name}.invited@example.com") });
    let invitation = bapi.post("/v1/invitations", wanted).await.has_status(201).str("/id");

    let listed = json!({ "identifier": format!("{name}@listed.example") });
    let allowed = bapi.post("/v1/allowlist-identifiers", listed.clone()).await.has_status(201).str("/id");
    let blocked = bapi.post("/v1/blocklist-identifiers", listed).await.has_status(201).str("/id");
    let url = json!({ "url": format!("https://{name}.listed.example") });
    let redirect_url = bapi.post("/v1/redirect-urls", url).await.has_status(201).str("/id");
    let event = app.logged_events(env).await.last().expect("something has happened").id.to_string();
    // Nobody listens there, and it is not far away.
    let hook = json!({ "url": "http://localhost:9/hook", "enabled_event_types": ["jwtTemplate.deleted"] });
    let endpoint = bapi.post("/v1/webhooks/endpoints", hook).await.has_status(201).str("/id");
    let sample = bapi.post_empty(format!("/v1/webhooks/endpoints/{endpoint}/test")).await;
    let webhook = (endpoint, sample.has_status(201).str("/id"));
    let wanted = json!({ "name": "own", "claims": { "name": "{{user.first_name}}" }, "signing_algorithm": "ES256" });
    let made = bapi.post("/v1/jwt-templates", wanted).await;
    // One environment may hold the objects of several people, but every name once.
    let jwt_template = match made.status() {
        201 => made.str("/id"),
        _ => bapi.get("/v1/jwt-templates").await.has_status(200).str("/data/0/id"),
    };
    let api_key = bapi.post("/v1/api-keys", json!({ "name": "Of the catalogue" })).await.has_status(201).str("/id");

    Objects {
        person,
        signing_in,
        signing_up,
        sign_in: (sign_in, sign_in_challenge),
        sign_up: (sign_up, sign_up_challenge),
        email: (email, email_challenge),
        phone: (phone, phone_challenge),
        session_challenge,
        sign_in_token: ticket,
        actor_token,
        invitation,
        passkey: (passkey, registration),
        allowed,
        blocked,
        redirect_url,
        event,
        webhook,
        jwt_template,
        api_key,
        environment: (env.id.to_string(), env.made.project_id.to_string()),
        operator: app.bapi_of(&app.operators().await),
        backend: bapi,
    }
}

async fn challenge(caller: &Caller, parent: &str) -> String {
    let issued = caller.post(format!("{parent}/challenges"), json!({ "strategy": "email_code" })).await;
    issued.has_status(200).str("/response/id")
}

impl Objects {
    /// The id that a path parameter of this operation stands for. A parameter that is not known here fails the test:
    /// whoever adds an object adds it to this catalogue.
    fn parameter(&self, template: &str, name: &str) -> String {
        let id = match name {
            "user_id" => self.person.id(),
            "session_id" => &self.person.session,
            "email_address_id" => &self.email.0,
            "passkey_id" => &self.passkey.0,
            "phone_number_id" => &self.phone.0,
            "sign_in_id" => &self.sign_in.0,
            "sign_up_id" => &self.sign_up.0,
            "challenge_id" if template.contains("/sign-ins/") => &self.sign_in.1,
            "challenge_id" if template.contains("/sign-ups/") => &self.sign_up.1,
            "challenge_id" if template.contains("/email-addresses/") => &self.email.1,
            "challenge_id" if template.contains("/passkeys/") => &self.passkey.1,
            "challenge_id" if template.contains("/phone-numbers/") => &self.phone.1,
            "challenge_id" if template.contains("/sessions/") => &self.session_challenge,
            "sign_in_token_id" => &self.sign_in_token,
            "actor_token_id" => &self.actor_token,
            "identifier_id" if template.starts_with("/v1/allowlist") => &self.allowed,
            "identifier_id" => &self.blocked,
            "redirect_url_id" => &self.redirect_url,
            "event_id" => &self.event,
            "audit_id" => &self.event.replace("evt_", "audit_"),
            "endpoint_id" => &self.webhook.0,
            "delivery_id" => &self.webhook.1,
            "invitation_id" => &self.invitation,
            "api_key_id" => &self.api_key,
            "environment_id" => &self.environment.0,
            "project_id" => &self.environment.1,
            "sms_template_slug" | "slug" => "verification_code",
            "jwt_template_id" => &self.jwt_template,
            // A name within the environment, not an object.
            "template_name" | "name" => "any",
            "provider" => "google",
            // A language that is not offered: nothing is there for anybody.
            "locale" => "tlh",
            "image" => "nobodys0picture0of0all.png",
            _ => panic!("{template}: no object for `{name}` in the catalogue of tests/contract"),
        };
        id.to_owned()
    }

    /// The operation's path about these objects.
    pub(super) fn path(&self, operation: &Operation<'_>) -> String {
        let names = operation.parameters().into_iter();
        names.fold(operation.template.to_owned(), |path, name| {
            path.replace(&format!("{{{name}}}"), &self.parameter(operation.template, name))
        })
    }

    /// The browser or person that may use the operation on these objects.
    pub(super) fn owner(&self, operation: &Operation<'_>) -> &Caller {
        let template = operation.template;
        if template.starts_with("/v1/client/sign-ins/") {
            &self.signing_in
        } else if template.starts_with("/v1/client/sign-ups/") {
            &self.signing_up
        } else {
            &self.person
        }
    }

    /// The backend that may use the operation on these objects.
    pub(super) fn backend(&self, operation: &Operation<'_>) -> &Caller {
        if is_operators(operation) { &self.operator } else { &self.backend }
    }

    /// A call of the operation about these objects, by another caller.
    pub(super) fn call(&self, operation: &Operation<'_>, caller: &Caller) -> Call {
        let call = caller.call(method(operation), self.path(operation));
        match operation.body() {
            Some(schema) => call.json(self.body(operation, schema)),
            None if takes_a_file(operation) => call.raw("multipart/form-data; boundary=b", FILE),
            None => call,
        }
    }

    /// The least body that the operation takes.
    fn body(&self, operation: &Operation<'_>, schema: &Value) -> Value {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let fields = required.iter().filter_map(Value::as_str);
        // Whom it is about is named wherever that is possible.
        let about = schema["properties"].get("user_id").map(|_| "user_id");
        let fields = fields.chain(about);
        Value::Object(fields.map(|name| (name.to_owned(), self.field(operation, name))).collect::<Map<_, _>>())
    }

    fn field(&self, operation: &Operation<'_>, name: &str) -> Value {
        match name {
            "user_id" => json!(self.person.id()),
            "email_address" => json!("somebody.else@example.com"),
            "phone_number" => json!("+16502530099"),
            "password" | "current_password" | "new_password" => json!("a passphrase of nobody"),
            "strategy" => json!("email_code"),
            "code" => json!("000000"),
            "actor" => json!({ "sub": "operator" }),
            "invitations" => json!([{ "email_address": "yet.another@example.com" }]),
            "organization_id" => json!(null),
            "__authn_ticket" => json!("tkt_of_nobody"),
            "__authn_confirm" => json!("no"),
            "identifier" => json!("nobody@listed.example"),
            "kind" => json!("development"),
            "confirmation" => json!("no"),
            "name" if operation.template.starts_with("/v1/admin") => json!("Of nobody"),
            "default_locale" | "fallback_locale" => json!("en-US"),
            "supported_locales" => json!(["en-US"]),
            "overrides" => json!({}),
            "nickname" => json!("Key of nobody"),
            "url" if operation.template.starts_with("/v1/webhooks/") => json!("http://localhost:9/hook"),
            "url" => json!("https://nobody.listed.example"),
            "enabled_event_types" => json!(["jwtTemplate.deleted"]),
            "attestation" | "claims" => json!({}),
            "name" => json!("one-more"),
            _ => panic!("{} {}: no example for `{name}` in tests/contract", operation.method, operation.template),
        }
    }

    /// Every id, to look for in answers that must not hold one.
    pub(super) fn ids(&self) -> Vec<String> {
        let person = [self.person.id().to_owned(), self.person.session.clone(), self.person.user.email_id.clone()];
        let pairs = [&self.email, &self.phone, &self.sign_in, &self.sign_up, &self.passkey, &self.webhook]
            .map(|(id, challenge)| [id.clone(), challenge.clone()]);
        let alone = [self.jwt_template.clone(), self.invitation.clone(), self.api_key.clone()];
        person.into_iter().chain(alone).chain(pairs.into_iter().flatten()).collect()
    }
}

/// A form with a file that is no picture.
const FILE: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n";

fn takes_a_file(operation: &Operation<'_>) -> bool {
    operation.value().pointer("/requestBody/content/multipart~1form-data").is_some()
}

/// Whether the operation is for operators alone.
pub(super) fn is_operators(operation: &Operation<'_>) -> bool {
    operation.template.starts_with("/v1/admin/")
}

/// The operation's method.
pub(super) fn method(operation: &Operation<'_>) -> testkit::Method {
    let name = operation.method.to_ascii_uppercase();
    testkit::Method::from_bytes(name.as_bytes()).expect("documents name methods")
}
