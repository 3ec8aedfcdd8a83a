//! Backup codes.

use crate::words::{self, words};
use domain::{Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of a batch of backup codes.
    BackupCodeBatchTag ["backup_code_batch"];
}

/// A person's backup codes. Its debug output hides the codes.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupCodeBatch {
    /// The type tag.
    #[schema(schema_with = words::one::<BackupCodeBatchTag>)]
    pub object: BackupCodeBatchTag,
    /// Whose they are.
    pub user_id: UserId,
    /// How many can still be used.
    #[schema(minimum = 0)]
    pub count: u32,
    /// The codes themselves; shown once, when they are made.
    pub codes: Vec<String>,
    /// When they were made; 0 if there never were any.
    pub generated_at: Timestamp,
}

impl BackupCodeBatch {
    /// So many codes of a person.
    pub fn new(user_id: UserId, count: u32, codes: Vec<String>, generated_at: Option<Timestamp>) -> Self {
        let generated_at = generated_at.unwrap_or(Timestamp::from_millis(0));
        Self { object: BackupCodeBatchTag("backup_code_batch"), user_id, count, codes, generated_at }
    }
}

impl std::fmt::Debug for BackupCodeBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupCodeBatch").field("count", &self.count).finish_non_exhaustive()
    }
}
