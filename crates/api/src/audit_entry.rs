//! Entries of the audit log.

use crate::event::Subject;
use crate::words::{self, words};
use domain::audit::AuditRecord;
use domain::{EnvironmentId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

words! {
    /// The type tag of an entry of the audit log.
    AuditEntryTag ["audit_entry"];
}

/// Who acted in an actor's place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonator {
    /// `user`, or `operator` for whoever the backend named otherwise.
    #[serde(rename = "type")]
    pub impersonator_type: String,
    /// As the backend named them.
    pub id: String,
}

/// On whose behalf something was done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditActor {
    /// `user`, `api_key`, `operator`, `scim_token`, `oauth_application` or `system`.
    #[serde(rename = "type")]
    pub actor_type: String,
    /// Who, when that is somebody with an id; a browser where nobody is signed in has the id of its client.
    #[schema(required)]
    pub id: Option<String>,
    /// Who acted in the actor's place.
    #[schema(required)]
    pub impersonator: Option<Impersonator>,
}

/// What was done, or refused. Its form without `hash` is what `hash` is made of.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its id.
    #[schema(pattern = "^audit_[0-9A-HJKMNP-TV-Z]{26}$")]
    pub id: String,
    /// The type tag.
    #[schema(schema_with = words::one::<AuditEntryTag>)]
    pub object: AuditEntryTag,
    /// The environment whose log it is in.
    pub instance_id: EnvironmentId,
    /// Its place in the chain: 1, 2, 3 and so on, without gaps.
    #[schema(minimum = 1)]
    pub sequence: i64,
    /// The event that it is; null when nothing was changed.
    #[schema(required)]
    pub event_id: Option<String>,
    /// The event's `sequence`.
    #[schema(required)]
    pub event_sequence: Option<i64>,
    /// What happened: the name of an event, or of a refusal.
    #[serde(rename = "type")]
    pub entry_type: String,
    /// The version of the form of the event's data.
    pub data_version: i32,
    /// `success` or `denied`.
    pub outcome: String,
    /// On whose behalf.
    pub actor: AuditActor,
    /// Which door it came through: `bapi`, `fapi`, `operator` or `system`.
    pub surface: String,
    /// What it is about.
    pub subject: Subject,
    /// The organization it happened in.
    #[schema(required)]
    pub organization_id: Option<String>,
    /// The names of what was changed, never values; empty where nobody has compared.
    pub changed_fields: Vec<String>,
    /// From where: an address, or the network it is in.
    #[schema(required)]
    pub origin_ip: Option<String>,
    /// By what program, at most 512 characters.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// Why, in the words of the caller: `X-Authn-Reason`.
    #[schema(required)]
    pub reason: Option<String>,
    /// How many alike refusals since the entry before are counted here and have no entry of their own.
    #[schema(minimum = 0)]
    pub omitted: i64,
    /// The request that caused it.
    pub request_id: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// SHA-256 of the event's data, in lower-case hexadecimal.
    pub data_sha256: String,
    /// The hash of the entry before; 64 zeros before the first.
    pub prev_hash: String,
    /// SHA-256 of `prev_hash` and this entry without `hash` in its canonical form (RFC 8785), in lower-case
    /// hexadecimal.
    pub hash: String,
}

impl AuditEntry {
    /// A row of the log with its hash.
    pub fn new(record: AuditRecord, hash: String) -> Self {
        let impersonator = record.impersonator.as_ref().map(|id| Impersonator {
            impersonator_type: AuditRecord::impersonator_kind(id).as_str().to_owned(),
            id: id.clone(),
        });
        Self {
            id: record.entry_id(),
            object: AuditEntryTag("audit_entry"),
            instance_id: record.environment_id,
            sequence: record.sequence,
            event_id: record.is_event.then_some(record.id),
            event_sequence: record.position,
            entry_type: record.event_type,
            data_version: record.version,
            outcome: record.outcome,
            actor: AuditActor { actor_type: record.actor_type, id: record.actor_id, impersonator },
            surface: record.surface,
            subject: Subject { subject_type: record.subject_type, id: record.subject_id },
            organization_id: record.organization_id,
            changed_fields: record.changed_fields,
            origin_ip: record.origin_ip,
            user_agent: record.user_agent,
            reason: record.reason,
            omitted: record.omitted,
            request_id: record.request_id,
            created_at: record.created_at,
            was_test: record.was_test,
            data_sha256: record.data_sha256,
            prev_hash: record.prev_hash,
            hash,
        }
    }
}
