//! Where browsers and apps may be sent back to.

use crate::words::{self, words};
use domain::{RedirectUrlId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a redirect URL.
    RedirectUrlTag ["redirect_url"];
}

/// Where browsers and apps may be sent back to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectUrl {
    /// Its id.
    pub id: RedirectUrlId,
    /// The type tag.
    #[schema(schema_with = words::one::<RedirectUrlTag>)]
    pub object: RedirectUrlTag,
    /// The origin with the path under which every address is allowed; or the whole address of an app.
    #[schema(format = "uri")]
    pub url: String,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&domain::redirect::RedirectUrl> for RedirectUrl {
    fn from(redirect: &domain::redirect::RedirectUrl) -> Self {
        Self {
            id: redirect.id,
            object: RedirectUrlTag("redirect_url"),
            url: redirect.url.clone(),
            created_at: redirect.created_at,
            updated_at: redirect.updated_at,
        }
    }
}
