//! JWT templates, as their operator sees them. A key that was brought along is never among it.

use crate::open::OpenObject;
use crate::words::{self, words};
use domain::{JwtTemplateId, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

words! {
    /// The type tag of a JWT template.
    JwtTemplateTag ["jwt_template"];
    /// How a token is signed.
    SigningAlgorithmWord ["RS256", "ES256", "HS256"];
    /// The type tag of a preview.
    JwtTemplatePreviewTag ["jwt_template_preview"];
}

/// A JWT template.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtTemplate {
    /// Its id.
    pub id: JwtTemplateId,
    /// The type tag.
    #[schema(schema_with = words::one::<JwtTemplateTag>)]
    pub object: JwtTemplateTag,
    /// What it is asked for by.
    #[schema(max_length = 64, pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    pub name: String,
    /// The claims, with placeholders.
    pub claims: OpenObject,
    /// How long a token lives, in seconds.
    #[schema(minimum = 30, maximum = 86400, default = 60)]
    pub lifetime: i64,
    /// How far a token is dated back, in seconds.
    #[schema(minimum = 0, maximum = 300, default = 5)]
    pub allowed_clock_skew: i64,
    /// How a token is signed.
    #[schema(schema_with = words::one::<SigningAlgorithmWord>)]
    pub signing_algorithm: SigningAlgorithmWord,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&domain::jwt_template::JwtTemplate> for JwtTemplate {
    fn from(template: &domain::jwt_template::JwtTemplate) -> Self {
        Self {
            id: template.id,
            object: JwtTemplateTag("jwt_template"),
            name: template.name.clone(),
            claims: OpenObject(template.claims.clone()),
            lifetime: template.lifetime,
            allowed_clock_skew: template.allowed_clock_skew,
            signing_algorithm: SigningAlgorithmWord(template.signing_algorithm.as_str()),
            created_at: template.created_at,
            updated_at: template.updated_at,
        }
    }
}

/// What an operator should know of claims that can be used all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtTemplateWarning {
    /// What programs match on: `path_unknown`, `unsafe_metadata` or `too_large`.
    pub code: String,
    /// What it is about, in words.
    pub message: String,
    /// The path or the number that is meant.
    pub subject: String,
}

/// The claims of a token as they would be.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtTemplatePreview {
    /// The type tag.
    #[schema(schema_with = words::one::<JwtTemplatePreviewTag>)]
    pub object: JwtTemplatePreviewTag,
    /// The claims.
    pub claims: OpenObject,
    /// How long the whole token is.
    #[schema(minimum = 0)]
    pub byte_size: usize,
    /// Whether a cookie holds it; a token that does not fit is refused.
    pub fits_cookie: bool,
    /// What should be known of it.
    pub warnings: Vec<JwtTemplateWarning>,
}

impl JwtTemplatePreview {
    /// Claims that nobody signs.
    pub fn new(claims: Map<String, Value>, byte_size: usize, warnings: Vec<JwtTemplateWarning>) -> Self {
        let fits_cookie = byte_size <= domain::jwt_template::TOKEN_MAX;
        let object = JwtTemplatePreviewTag("jwt_template_preview");
        Self { object, claims: OpenObject(claims), byte_size, fits_cookie, warnings }
    }
}
