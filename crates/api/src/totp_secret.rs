//! The secret of an authenticator app.

use crate::words::{self, words};
use domain::{Timestamp, TotpSecretId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of the secret of an authenticator app.
    TotpSecretTag ["totp_secret"];
}

/// The secret of an authenticator app. Its debug output hides what is secret of it.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpSecret {
    /// Its id.
    pub id: TotpSecretId,
    /// The type tag.
    #[schema(schema_with = words::one::<TotpSecretTag>)]
    pub object: TotpSecretTag,
    /// Whose it is.
    pub user_id: UserId,
    /// The secret as a person types it into an app, in base32; shown once, when the enrolment begins.
    #[schema(required)]
    pub secret: Option<String>,
    /// The address that an app reads from a QR code; shown once.
    #[schema(required, format = "uri")]
    pub otpauth_uri: Option<String>,
    /// The QR code, as the source of a picture; shown once.
    #[schema(required)]
    pub qr_code_data_url: Option<String>,
    /// When it was confirmed by a code; null until then.
    #[schema(required)]
    pub verified_at: Option<Timestamp>,
    /// When the enrolment began.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<&domain::user::TotpSecret> for TotpSecret {
    fn from(secret: &domain::user::TotpSecret) -> Self {
        Self {
            id: secret.id,
            object: TotpSecretTag("totp_secret"),
            user_id: secret.user_id,
            secret: None,
            otpauth_uri: None,
            qr_code_data_url: None,
            verified_at: secret.verified_at,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
        }
    }
}

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TotpSecret").field("id", &self.id).finish_non_exhaustive()
    }
}
