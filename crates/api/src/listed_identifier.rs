//! What stands on the lists of who may sign up and who may never.

use crate::words::{self, words};
use domain::listed::Listed;
use domain::{AllowlistIdentifierId, BlocklistIdentifierId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of an identifier on the allow list.
    AllowlistIdentifierTag ["allowlist_identifier"];
    /// The type tag of an identifier on the block list.
    BlocklistIdentifierTag ["blocklist_identifier"];
}

/// Who may sign up where sign-up is restricted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowlistIdentifier {
    /// Its id.
    pub id: AllowlistIdentifierId,
    /// The type tag.
    #[schema(schema_with = words::one::<AllowlistIdentifierTag>)]
    pub object: AllowlistIdentifierTag,
    /// An address, a number, or `*@example.com` or `*@*.example.com`.
    pub identifier: String,
    /// Whether the address was written to.
    pub notify: bool,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&Listed<AllowlistIdentifierId>> for AllowlistIdentifier {
    fn from(listed: &Listed<AllowlistIdentifierId>) -> Self {
        Self {
            id: listed.id,
            object: AllowlistIdentifierTag("allowlist_identifier"),
            identifier: listed.pattern.to_string(),
            notify: listed.notify,
            created_at: listed.created_at,
            updated_at: listed.updated_at,
        }
    }
}

/// Who may never sign up.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlocklistIdentifier {
    /// Its id.
    pub id: BlocklistIdentifierId,
    /// The type tag.
    #[schema(schema_with = words::one::<BlocklistIdentifierTag>)]
    pub object: BlocklistIdentifierTag,
    /// An address, a number, or `*@example.com` or `*@*.example.com`.
    pub identifier: String,
    /// When it was put on the list.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&Listed<BlocklistIdentifierId>> for BlocklistIdentifier {
    fn from(listed: &Listed<BlocklistIdentifierId>) -> Self {
        Self {
            id: listed.id,
            object: BlocklistIdentifierTag("blocklist_identifier"),
            identifier: listed.pattern.to_string(),
            created_at: listed.created_at,
            updated_at: listed.updated_at,
        }
    }
}
