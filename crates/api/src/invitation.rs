//! Invitations to the application, as a backend sees them.

use crate::open::Metadata;
use crate::words::{self, words};
use domain::invitation::InvitationStatus;
use domain::{InvitationId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of an invitation.
    InvitationTag ["invitation"];
    /// Where an invitation stands.
    InvitationStatusWord ["pending", "accepted", "revoked", "expired"];
}

/// An invitation to the application. It has no debug output: its link carries a ticket.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// The type tag.
    #[schema(schema_with = words::one::<InvitationTag>)]
    pub object: InvitationTag,
    /// Who is invited.
    #[schema(format = "email", max_length = 254)]
    pub email_address: String,
    /// Where the link leads in the end; null leaves that to the application's settings.
    #[schema(required, format = "uri")]
    pub redirect_url: Option<String>,
    /// What the person's public metadata gets along.
    pub public_metadata: Metadata,
    /// Where it stands.
    #[schema(schema_with = words::one::<InvitationStatusWord>)]
    pub status: InvitationStatusWord,
    /// Whether it was taken back.
    pub revoked: bool,
    /// A link for the application to hand over. It proves nothing of the address: whoever follows it answers a code
    /// first. In events it comes without its ticket.
    #[schema(format = "uri")]
    pub url: String,
    /// Until when it may be followed; null is for ever.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// The invitations that one request made.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationBatch {
    /// In the order of the request.
    pub data: Vec<Invitation>,
    /// How many there are.
    #[schema(minimum = 0)]
    pub total_count: u32,
}

impl Invitation {
    /// An invitation at this time, with its link.
    pub fn new(invitation: &domain::invitation::Invitation, url: String, now: Timestamp) -> Self {
        let status = invitation.status_at(now);
        Self {
            id: invitation.id,
            object: InvitationTag("invitation"),
            email_address: invitation.email.to_string(),
            redirect_url: invitation.redirect_url.clone(),
            public_metadata: invitation.public_metadata.clone().into(),
            status: InvitationStatusWord(status.as_str()),
            revoked: status == InvitationStatus::Revoked,
            url,
            expires_at: invitation.expires_at,
            created_at: invitation.created_at,
            updated_at: invitation.updated_at,
        }
    }
}

impl From<Vec<Invitation>> for InvitationBatch {
    fn from(data: Vec<Invitation>) -> Self {
        Self { total_count: u32::try_from(data.len()).unwrap_or(u32::MAX), data }
    }
}
