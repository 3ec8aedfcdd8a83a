//! What operators see: projects, environments, and signing keys without their private parts.

use crate::envelope::PageMeta;
use crate::words::{self, words};
use domain::environment::{Environment, Project as DomainProject};
use domain::key::SigningKey as DomainKey;
use domain::settings::SigningKeySettings;
use domain::{EnvironmentId, ProjectId, SigningKeyId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a project.
    ProjectTag ["project"];
    /// The type tag of an environment, as operators see it.
    EnvironmentRowTag ["environment_row"];
    /// What an environment is for.
    EnvironmentKindWord ["development", "staging", "production"];
    /// The type tag of a signing key.
    SigningKeyTag ["signing_key"];
    /// Where a signing key stands: published only, signing, verifying only.
    SigningKeyStatusWord ["pending", "active", "retiring", "expired"];
}

/// An application.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The type tag.
    #[schema(schema_with = words::one::<ProjectTag>)]
    pub object: ProjectTag,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&DomainProject> for Project {
    fn from(project: &DomainProject) -> Self {
        Self {
            id: project.id,
            object: ProjectTag("project"),
            name: project.name.clone(),
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// An environment, as operators see it. Its debug output hides the secret key.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRow {
    /// Its id.
    pub id: EnvironmentId,
    /// The type tag.
    #[schema(schema_with = words::one::<EnvironmentRowTag>)]
    pub object: EnvironmentRowTag,
    /// The project it belongs to.
    pub project_id: ProjectId,
    /// What people call it.
    pub name: String,
    /// What commands call it; one of its project's own.
    pub slug: String,
    /// What it is for.
    #[schema(schema_with = words::one::<EnvironmentKindWord>)]
    pub kind: EnvironmentKindWord,
    /// The first segment of its paths; empty for the operators' own.
    pub routing_label: String,
    /// Origins that may call with cookies.
    pub allowed_origins: Vec<String>,
    /// The key for browsers.
    pub publishable_key: String,
    /// The base URL of its frontend API, and the issuer of its tokens.
    #[schema(format = "uri")]
    pub fapi_url: String,
    /// The first secret key: only in the answer that makes the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret_key: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl EnvironmentRow {
    /// An environment with its key for browsers.
    pub fn new(env: &Environment, publishable_key: String) -> Self {
        Self {
            id: env.id,
            object: EnvironmentRowTag("environment_row"),
            project_id: env.project_id,
            name: env.name.clone(),
            slug: env.slug.clone(),
            kind: EnvironmentKindWord(env.kind.as_str()),
            routing_label: env.routing_label.clone(),
            allowed_origins: env.settings.allowed_origins.clone(),
            publishable_key,
            fapi_url: env.issuer.clone(),
            secret_key: None,
            created_at: env.created_at,
            updated_at: env.updated_at,
        }
    }
}

impl std::fmt::Debug for EnvironmentRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentRow").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A signing key of an environment, without its private part.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    /// Its id, the `kid` of the JWKS.
    pub id: SigningKeyId,
    /// The type tag.
    #[schema(schema_with = words::one::<SigningKeyTag>)]
    pub object: SigningKeyTag,
    /// `ES256` or `RS256`.
    pub algorithm: String,
    /// Where it stands.
    #[schema(schema_with = words::one::<SigningKeyStatusWord>)]
    pub status: SigningKeyStatusWord,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// When it leaves the JWKS.
    #[schema(required)]
    pub retire_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The published signing keys of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKeyList {
    /// The keys, the newest first.
    pub data: Vec<SigningKey>,
    /// How many there are.
    #[schema(minimum = 0)]
    pub total_count: i64,
    /// Where the list goes on: nowhere, it is whole.
    pub meta: PageMeta,
}

impl SigningKeyList {
    /// These keys.
    pub fn new(data: Vec<SigningKey>) -> Self {
        let total_count = i64::try_from(data.len()).unwrap_or(i64::MAX);
        Self { data, total_count, meta: PageMeta::default() }
    }
}

impl SigningKey {
    /// A key under the environment's settings.
    pub fn new(key: &DomainKey, settings: &SigningKeySettings) -> Self {
        Self {
            id: key.id,
            object: SigningKeyTag("signing_key"),
            algorithm: key.algorithm.clone(),
            status: SigningKeyStatusWord(key.status.as_str()),
            signs_from: key.signs_from(settings),
            retire_at: key.retire_at,
            created_at: key.created_at,
        }
    }
}
