//! The tenant: workspace, project, environment.

use crate::id::{EnvironmentId, ProjectId, WorkspaceId};
use crate::origin::{Origin, OriginPattern};
use crate::settings::Settings;
use crate::time::Timestamp;

/// What an environment is for; fixed at its making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentKind {
    /// A developer's own.
    Development,
    /// Before production.
    Staging,
    /// Real people.
    Production,
}

impl EnvironmentKind {
    /// The word of the tables and the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Development, Self::Staging, Self::Production].into_iter().find(|k| k.as_str() == text)
    }
    /// Whether keys carry `live`.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Production)
    }
}

/// The operator's scope above projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The workspace it belongs to.
    pub workspace_id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A tenant at run time.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// Its name.
    pub name: String,
    /// What operators call it; no routing key.
    pub slug: String,
    /// What it is for.
    pub kind: EnvironmentKind,
    /// Its name on the wire; empty for the reserved `_admin` environment.
    pub routing_label: String,
    /// The base URL of its FAPI and the `iss` of its tokens: stored, never derived from a request.
    pub issuer: String,
    /// Its settings.
    pub settings: Settings,
    /// Counts the changes of what processes cache.
    pub config_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The slug of the reserved environment of the operators.
pub const ADMIN_SLUG: &str = "_admin";

impl Environment {
    /// Whether it is the operators' own.
    pub fn is_admin(&self) -> bool {
        self.slug == ADMIN_SLUG
    }

    /// Whether the origin may call with cookies: one of the allow list, or the FAPI's own.
    pub fn allows_origin(&self, origin: &Origin) -> bool {
        let development = self.kind == EnvironmentKind::Development;
        self.own_origin().as_ref() == Some(origin)
            || self
                .settings
                .allowed_origins
                .iter()
                .filter_map(|text| OriginPattern::parse(text).ok())
                .any(|pattern| pattern.matches(origin, development))
    }

    /// The origin of the FAPI itself.
    pub fn own_origin(&self) -> Option<Origin> {
        url::Url::parse(&self.issuer).ok().and_then(|url| Origin::of_url(&url))
    }

    /// The host of the FAPI: what an authenticator app calls the application.
    pub fn host(&self) -> String {
        let url = url::Url::parse(&self.issuer).ok();
        url.as_ref().and_then(url::Url::host_str).unwrap_or(&self.issuer).to_owned()
    }

    /// The path that cookies are bound to: `/` or `/<routing_label>`.
    pub fn cookie_path(&self) -> String {
        url::Url::parse(&self.issuer).map_or_else(|_| "/".to_owned(), |url| url.path().to_owned())
    }

    /// Where people sign up: the application's page, else our own.
    pub fn sign_up_url(&self) -> String {
        let own = || format!("{}/sign-up", self.issuer);
        self.settings.paths.sign_up_url.clone().unwrap_or_else(own)
    }

    /// Where people sign in: the application's page, else our own.
    pub fn sign_in_url(&self) -> String {
        let own = || format!("{}/sign-in", self.issuer);
        self.settings.paths.sign_in_url.clone().unwrap_or_else(own)
    }

    /// The address that carries a ticket on to the application's page for `status`; without a ticket it leads there with
    /// empty hands.
    pub fn ticket_link(&self, ticket: Option<&str>, status: &str, redirect_url: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(ticket) = ticket {
            query.append_pair("__authn_ticket", ticket);
        }
        query.append_pair("__authn_status", status);
        if let Some(target) = redirect_url {
            query.append_pair("redirect_url", target);
        }
        format!("{}/v1/client/handshake?{}", self.issuer, query.finish())
    }

    /// Whether cookies must travel over TLS only.
    pub fn is_secure(&self) -> bool {
        self.issuer.starts_with("https://")
    }
}

/// First path segments that stay with the `_admin` environment.
pub const ROOT_SEGMENTS: &[&str] =
    &["sign-in", "sign-up", "user", "verify", "sign-out", "v1", "account", ".well-known", "oauth", "scim"];

const REFUSED_LABELS: &[&str] = &[
    "api",
    "dashboard",
    "docs",
    "site",
    "www",
    "mail",
    "admin",
    "status",
    "help",
    "support",
    "blog",
    "cdn",
    "static",
    "assets",
    "horizon",
    "health",
    "up",
    "healthz",
    "readyz",
    "metrics",
    "inbox",
];

/// Whether the text can be a routing label.
pub fn is_routing_label(text: &str) -> bool {
    (3..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !REFUSED_LABELS.contains(&text)
        && !ROOT_SEGMENTS.contains(&text)
}

const ADJECTIVES: [&str; 32] = [
    "amber", "brave", "calm", "clever", "crisp", "early", "fair", "fresh", "gentle", "golden", "happy", "honest",
    "keen", "kind", "light", "lively", "lucky", "mellow", "merry", "noble", "patient", "proud", "quick", "quiet",
    "royal", "silver", "steady", "sunny", "swift", "tidy", "warm", "wise",
];
const ANIMALS: [&str; 32] = [
    "badger", "bear", "beaver", "bison", "crane", "deer", "dolphin", "eagle", "falcon", "finch", "fox", "hare", "hawk",
    "heron", "ibis", "koala", "lark", "lemur", "lion", "lynx", "magpie", "marten", "otter", "owl", "panda", "puffin",
    "raven", "robin", "seal", "stork", "swan", "wolf",
];

/// Makes a routing label from random bytes, such as `wise-otter-x4f9k2`.
pub fn routing_label(chance: [u8; 8]) -> String {
    const TAIL: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let tail: String = chance[2..].iter().map(|b| char::from(TAIL[usize::from(b % 32)])).collect();
    format!("{}-{}-{tail}", ADJECTIVES[usize::from(chance[0] % 32)], ANIMALS[usize::from(chance[1] % 32)])
}
