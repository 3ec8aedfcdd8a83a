//! What happened, as the event log keeps it.

use crate::id::{EventId, RequestId};
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::str::FromStr;

/// The text is the name of no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no event has this name")]
pub struct UnknownEvent;

macro_rules! event_types {
    ($($name:ident $text:literal $says:literal;)*) => {
        /// The name of an event. Names are the contract with webhook receivers.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $(#[doc = $says] $name,)*
        }

        impl EventType {
            /// Every event there is, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What happened, in a sentence of the catalogue.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $says,)*
                }
            }
        }
    };
}

event_types! {
    UserCreated "user.created" "A user was made, in whatever way.";
    UserUpdated "user.updated" "A user was changed: profile, identifiers, metadata, factors, picture, ban or lock.";
    UserDeleted "user.deleted" "A user was deleted; the data is the user as it last was.";
    UserLockedOut "user.locked_out" "Failures locked a user out.";
    SessionCreated "session.created" "A session became active.";
    SessionPending "session.pending" "A session began that waits for its user's second factor.";
    SessionEnded "session.ended" "A user signed out of a session.";
    SessionRemoved "session.removed" "A session was removed from its client.";
    SessionRevoked "session.revoked" "A session was taken away.";
    SessionTouched "session.touched" "A session was used, or its active organization changed; told once a minute at most.";
    EmailCreated "email.created" "A mail goes out.";
    InvitationCreated "invitation.created" "Somebody was invited to sign up.";
    InvitationAccepted "invitation.accepted" "An invitation was accepted.";
    InvitationRevoked "invitation.revoked" "An invitation was taken back.";
    OrganizationCreated "organization.created" "An organization was made.";
    OrganizationUpdated "organization.updated" "An organization was changed.";
    OrganizationDeleted "organization.deleted" "An organization was deleted.";
    OrganizationMembershipCreated "organizationMembership.created" "A user became a member of an organization.";
    OrganizationMembershipUpdated "organizationMembership.updated" "A membership was changed.";
    OrganizationMembershipDeleted "organizationMembership.deleted" "A membership ended.";
    OrganizationInvitationCreated "organizationInvitation.created" "Somebody was invited to an organization.";
    OrganizationInvitationAccepted "organizationInvitation.accepted" "An invitation to an organization was accepted.";
    OrganizationInvitationRevoked "organizationInvitation.revoked" "An invitation to an organization was taken back.";
    OrganizationDomainCreated "organizationDomain.created" "A domain was added to an organization.";
    OrganizationDomainUpdated "organizationDomain.updated" "A domain of an organization was changed or verified.";
    OrganizationDomainDeleted "organizationDomain.deleted" "A domain was taken off an organization.";
    OrganizationMembershipRequestCreated "organizationMembershipRequest.created" "A user asked to join an organization.";
    OrganizationMembershipRequestAccepted "organizationMembershipRequest.accepted" "A request to join was accepted.";
    OrganizationMembershipRequestRejected "organizationMembershipRequest.rejected" "A request to join was turned down.";
    RoleCreated "role.created" "A role was made.";
    RoleUpdated "role.updated" "A role or its permissions were changed.";
    RoleDeleted "role.deleted" "A role was deleted.";
    PermissionCreated "permission.created" "A custom permission was made.";
    PermissionUpdated "permission.updated" "A custom permission was changed.";
    PermissionDeleted "permission.deleted" "A custom permission was deleted.";
    OauthProviderCreated "oauthProvider.created" "A social provider was added.";
    OauthProviderUpdated "oauthProvider.updated" "A social provider was changed.";
    OauthProviderDeleted "oauthProvider.deleted" "A social provider was deleted.";
    ExternalAccountConnected "externalAccount.connected" "An account at a social provider was linked to a user.";
    ExternalAccountUnlinked "externalAccount.unlinked" "An account at a social provider was unlinked.";
    PhoneNumberCreated "phoneNumber.created" "A phone number was added to a user.";
    PhoneNumberVerified "phoneNumber.verified" "The ownership of a phone number was proven.";
    PhoneNumberRemoved "phoneNumber.removed" "A phone number was taken off a user.";
    PasskeyAdded "passkey.added" "A user enrolled a passkey.";
    PasskeyRemoved "passkey.removed" "A passkey was taken away.";
    InstanceConfigAppearanceUpdated "instance.config.appearance_updated" "The appearance was changed.";
    InstanceConfigMultiFactorUpdated "instance.config.multi_factor_updated" "The settings of second factors were changed.";
    InstanceConfigAttributesUpdated "instance.config.attributes_updated" "The settings of a user's attributes were changed.";
    LocalizationUpdated "localization.updated" "The localization was changed.";
    EnterpriseConnectionCreated "enterpriseConnection.created" "An enterprise connection was made.";
    EnterpriseConnectionUpdated "enterpriseConnection.updated" "An enterprise connection was changed.";
    EnterpriseConnectionDeleted "enterpriseConnection.deleted" "An enterprise connection was deleted.";
    EnterpriseAccountConnected "enterpriseAccount.connected" "An account at an enterprise connection was linked to a user.";
    EnterpriseAccountUnlinked "enterpriseAccount.unlinked" "An account at an enterprise connection was unlinked.";
    ScimTokenIssued "scimToken.issued" "A SCIM token was issued.";
    ScimTokenRevoked "scimToken.revoked" "A SCIM token was revoked.";
    ScimUserProvisioned "scimUser.provisioned" "A directory made or enabled a user.";
    ScimUserDeprovisioned "scimUser.deprovisioned" "A directory disabled or deleted a user.";
    JwtTemplateCreated "jwtTemplate.created" "A JWT template was made.";
    JwtTemplateUpdated "jwtTemplate.updated" "A JWT template was changed.";
    JwtTemplateDeleted "jwtTemplate.deleted" "A JWT template was deleted.";
    OauthApplicationCreated "oauthApplication.created" "An OAuth application was made.";
    OauthApplicationUpdated "oauthApplication.updated" "An OAuth application was changed.";
    OauthApplicationDeleted "oauthApplication.deleted" "An OAuth application was deleted.";
    AuthorizationGrantGranted "authorizationGrant.granted" "A user gave an OAuth application access.";
    AuthorizationGrantRevoked "authorizationGrant.revoked" "The access of an OAuth application was taken back.";
    SmsQueued "sms.queued" "A short message waits for the environment to deliver it.";
    SmsDelivered "sms.delivered" "The carrier has taken a short message.";
    SmsFailed "sms.failed" "A short message was given up.";
    ApiKeyCreated "apiKey.created" "An API key was made.";
    ApiKeyRotated "apiKey.rotated" "An API key got a new secret.";
    ApiKeyRevoked "apiKey.revoked" "An API key was revoked.";
    ProjectCreated "project.created" "An operator made a project.";
    ProjectUpdated "project.updated" "An operator changed a project.";
    ProjectDeleted "project.deleted" "An operator deleted a project.";
    EnvironmentCreated "environment.created" "An operator made an environment.";
    EnvironmentUpdated "environment.updated" "An operator changed an environment.";
    EnvironmentDeleted "environment.deleted" "An operator deleted an environment.";
    SigningKeyRotated "signingKey.rotated" "An operator asked for the next signing key.";
    OperatorRead "operator.read" "An operator looked at something; told in the operators' own environment alone.";
    SystemTestmodeEnabledInProduction "system.testmode_enabled_in_production" "Test addresses were switched on in a production environment.";
}

impl FromStr for EventType {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.iter().copied().find(|known| known.as_str() == text).ok_or(UnknownEvent)
    }
}

/// An event, made inside the transaction of its change.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What happened.
    pub event_type: EventType,
    /// The version of the payload's form.
    pub version: i32,
    /// The kind of thing it is about, such as `user`.
    pub subject_type: &'static str,
    /// The id of the thing it is about.
    pub subject_id: String,
    /// The thing as it was at that moment, in the form of the backend API. Never holds a secret.
    pub data: Value,
    /// The organization it happened in, if that is another thing than the subject's own.
    pub organization_id: Option<String>,
    /// The names of what was changed, for the audit log; never values. Empty where nobody has compared.
    pub changed_fields: Vec<String>,
}

impl Event {
    /// An event of version 1.
    pub fn new(event_type: EventType, subject_type: &'static str, subject_id: impl ToString, data: Value) -> Self {
        Self {
            event_type,
            version: 1,
            subject_type,
            subject_id: subject_id.to_string(),
            data,
            organization_id: None,
            changed_fields: Vec::new(),
        }
    }

    /// The same in an organization.
    #[must_use]
    pub fn in_organization(mut self, id: impl ToString) -> Self {
        self.organization_id = Some(id.to_string());
        self
    }

    /// The same, with the names of what was changed.
    #[must_use]
    pub fn changed(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.changed_fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// The same, with the names of what is another in its data than in this body, made before the change. Data that
    /// tells of both, as `previous` and `current`, is compared with itself by [`Self::changed_within`].
    #[must_use]
    pub fn changed_since(mut self, before: &Value) -> Self {
        self.changed_fields = differing(before, &self.data);
        self
    }

    /// The same, with the names of what is another in the `current` of its data than in the `previous`.
    #[must_use]
    pub fn changed_within(mut self) -> Self {
        self.changed_fields = differing(&self.data["previous"], &self.data["current"]);
        self
    }
}

/// An event as a reader of the log sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Its id.
    pub id: EventId,
    /// Its place in the environment's log: 1, 2, 3 and so on, without gaps.
    pub position: i64,
    /// The name on the wire.
    pub event_type: String,
    /// The version of the payload's form.
    pub version: i32,
    /// The kind of thing it is about.
    pub subject_type: String,
    /// The id of the thing it is about.
    pub subject_id: String,
    /// Who did it, when that is somebody with an id.
    pub actor_id: Option<String>,
    /// Who acted in the actor's place.
    pub impersonator: Option<String>,
    /// The word for the door it came through.
    pub surface: String,
    /// The request that caused it.
    pub trace_id: RequestId,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether it was a test person's doing.
    pub was_test: bool,
    /// SHA-256 of the payload's text.
    pub data_sha256: Vec<u8>,
    /// The payload; none once it was erased.
    pub data: Option<Value>,
}

/// The keys whose values differ, sorted; `updated_at` always does and says nothing.
fn differing(before: &Value, after: &Value) -> Vec<String> {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return Vec::new() };
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&&String| key.as_str() != "updated_at" && before.get(**key) != after.get(**key);
    keys.iter().filter(differs).map(|key| (*key).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_changed_is_told_by_name_alone() {
        let before = json!({ "a": 1, "b": { "c": 1 }, "gone": 1, "same": [1], "updated_at": 1 });
        let after = json!({ "a": 2, "b": { "c": 2 }, "new": null, "same": [1], "updated_at": 2 });
        let event = Event::new(EventType::UserUpdated, "user", "user_1", after).changed_since(&before);
        assert_eq!(event.changed_fields, ["a", "b", "gone", "new"]);

        let data = json!({ "previous": { "a": 1, "b": 1 }, "current": { "a": 1, "b": 2 }, "diff": { "a": 1, "b": 2 } });
        let event = Event::new(EventType::LocalizationUpdated, "environment", "env_1", data).changed_within();
        assert_eq!(event.changed_fields, ["b"]);
    }
}
