//! The answer of a handshake.

use crate::words::{self, words};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a handshake.
    ClientHandshakeTag ["client_handshake"];
}

/// What a handshake came to: where the browser goes on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientHandshake {
    /// The type tag.
    #[schema(schema_with = words::one::<ClientHandshakeTag>)]
    pub object: ClientHandshakeTag,
    /// Where the browser goes on; none is where it was.
    #[schema(required, format = "uri")]
    pub redirect_url: Option<String>,
}

impl ClientHandshake {
    /// Goes on at an allowed address, or nowhere.
    pub fn new(redirect_url: Option<String>) -> Self {
        Self { object: ClientHandshakeTag("client_handshake"), redirect_url }
    }
}
