//! What placeholders stand for: the person, the session, the environment. Private metadata is not among it.

use crate::{Engine, StorageError};
use domain::environment::Environment;
use domain::session::Standing;
use domain::settings::Settings;
use domain::user::{EmailAddress, PhoneNumber, User};
use domain::{SessionId, Timestamp, UserId};
use serde_json::{Map, Value, json};
use templates::claims::Claims;

/// A session, as far as claims tell of it.
pub(crate) struct ActingSession {
    pub(crate) id: SessionId,
    pub(crate) standing: Standing,
    /// Who acts in the person's place.
    pub(crate) actor: Option<Map<String, Value>>,
}

/// What of a person a template reads, so that nothing else is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// The id alone.
    Id,
    /// What stands in the person's own row.
    Row,
    /// Addresses and numbers as well.
    Everything,
}

impl Wants {
    pub(super) fn of(claims: &Claims) -> Self {
        let mut wants = Self::Id;
        for path in claims.paths().filter(|path| *path != "user.id") {
            let mut names = path.split('.');
            if names.next() != Some("user") {
                continue;
            }
            match names.next() {
                // The person as a whole, by a name or by none.
                None => return Self::Everything,
                Some(name) if ADDRESSES.contains(&name) => return Self::Everything,
                Some(_) => wants = Self::Row,
            }
        }
        wants
    }
}

/// What is made from a person's addresses and numbers.
const ADDRESSES: [&str; 6] =
    ["primary_email_address", "primary_phone_number", "email", "primary_email", "phone", "primary_phone"];

/// The person as claims see one; read once, so that all claims of a token are of one moment.
pub(super) async fn person(
    engine: &Engine,
    env: &Environment,
    known: Option<User>,
    (id, wants): (UserId, Wants),
) -> Result<Option<Value>, StorageError> {
    if wants == Wants::Id {
        return Ok(Some(json!({ "id": id })));
    }
    let mut conn = engine.read().await?;
    let user = match known {
        Some(user) => user,
        None => match storage::users::find(&mut conn, env.id, id).await? {
            Some(user) => user,
            None => return Ok(None),
        },
    };
    if wants == Wants::Row {
        return Ok(Some(of_user(&user, None, None, &env.settings)));
    }
    let addresses = storage::email_addresses::of_user(&mut conn, env.id, id).await?;
    let numbers = storage::phone_numbers::of_user(&mut conn, env.id, id).await?;
    let address = addresses.iter().find(|address| Some(address.id) == user.primary_email_address_id);
    let number = numbers.iter().find(|number| Some(number.id) == user.primary_phone_number_id);
    Ok(Some(of_user(&user, address, number, &env.settings)))
}

fn of_user(user: &User, address: Option<&EmailAddress>, number: Option<&PhoneNumber>, settings: &Settings) -> Value {
    let email = address.map(|address| address.email.as_str());
    let phone = number.map(|number| number.number.as_str());
    json!({
        "id": user.id,
        "external_id": user.external_id,
        "username": user.username.as_ref().map(|name| name.as_str()),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "image_url": api::image_url(user, settings),
        "primary_email_address": address.map(|a| json!({ "email_address": email, "verified": a.verified })),
        "primary_phone_number": number.map(|n| json!({ "phone_number": phone, "verified": n.verified })),
        "email": email,
        "primary_email": email,
        "phone": phone,
        "primary_phone": phone,
        "public_metadata": user.public_metadata,
        "unsafe_metadata": user.unsafe_metadata,
        "created_at": user.created_at.millis(),
    })
}

fn of_session(session: &ActingSession, env: &Environment, now: Timestamp) -> Value {
    let standing = &session.standing;
    let actor = session.actor.as_ref().map(|actor| {
        let mut actor = actor.clone();
        let id = actor.get("sub").cloned().unwrap_or_default();
        actor.insert("id".to_owned(), id);
        Value::Object(actor)
    });
    json!({
        "id": session.id,
        "actor": actor,
        "status": standing.status_at(now, &env.settings.sessions).as_str(),
        "created_at": standing.created_at.millis(),
        "last_active_at": standing.last_active_at.millis(),
        "expire_at": standing.expire_at.millis(),
    })
}

/// Everything that placeholders can name. Without a session its names stand for nothing.
pub(super) fn all(
    person: Value,
    session: Option<&ActingSession>,
    env: &Environment,
    now: Timestamp,
) -> Map<String, Value> {
    let mut values = Map::new();
    values.insert("user".to_owned(), person);
    if let Some(session) = session {
        values.insert("session".to_owned(), of_session(session, env, now));
    }
    values.insert("env".to_owned(), json!({ "id": env.id }));
    // Nobody is a member of anything before organizations exist.
    values.insert("org_memberships".to_owned(), json!([]));
    values
}

/// Somebody who is nobody, for a token that is looked at before anybody has one.
pub(super) fn sample(env: &Environment, now: Timestamp) -> Map<String, Value> {
    let person = json!({
        "id": "user_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "external_id": "customer-1001",
        "username": "ada.lovelace",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "image_url": format!("{}/v1/images/3q2-7wAAAAAAAAAAAAAAAAAAAAA.png", env.issuer),
        "primary_email_address": { "email_address": "ada.lovelace@example.com", "verified": true },
        "primary_phone_number": { "phone_number": "+15555550100", "verified": true },
        "email": "ada.lovelace@example.com",
        "primary_email": "ada.lovelace@example.com",
        "phone": "+15555550100",
        "primary_phone": "+15555550100",
        "public_metadata": {},
        "unsafe_metadata": {},
        "created_at": now.millis(),
    });
    let mut values = all(person, None, env, now);
    values.insert("session".to_owned(), sample_session(now));
    values
}

/// A session that nobody has.
pub(super) fn sample_session(now: Timestamp) -> Value {
    json!({
        "id": "sess_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "actor": null,
        "status": "active",
        "created_at": now.millis(),
        "last_active_at": now.millis(),
        "expire_at": now.millis() + 604_800_000,
    })
}

/// Whether a path can ever stand for something.
pub(super) fn is_known(path: &str) -> bool {
    const USER: [&str; 15] = [
        "id",
        "external_id",
        "username",
        "first_name",
        "last_name",
        "image_url",
        "primary_email_address",
        "primary_phone_number",
        "email",
        "primary_email",
        "phone",
        "primary_phone",
        "public_metadata",
        "unsafe_metadata",
        "created_at",
    ];
    const SESSION: [&str; 8] = [
        "id",
        "actor",
        "status",
        "created_at",
        "last_active_at",
        "expire_at",
        "active_organization",
        "active_organization_role",
    ];
    const ORGANIZATION: [&str; 5] = ["id", "slug", "name", "role", "public_metadata"];
    let mut names = path.split('.');
    let known: &[&str] = match names.next() {
        Some("user") => &USER,
        Some("session") => &SESSION,
        Some("organization" | "org") => &ORGANIZATION,
        Some("env") => &["id"],
        Some("org_memberships") => return true,
        _ => return false,
    };
    names.next().is_none_or(|name| known.contains(&name))
}
