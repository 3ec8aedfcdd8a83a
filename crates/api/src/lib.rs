//! The JSON of every resource, made from domain values.
//!
//! The secret kept here is the *shape*: which fields a resource has on the wire, which of them may be null,
//! and what of a person each surface may see. Services, events and mails share these bodies, so that a
//! resource looks the same wherever it appears. Nothing here reads a row or decides anything.

mod api_key;
mod audit_entry;
mod backup_codes;
mod challenge;
mod client;
mod email_address;
mod email_message;
mod envelope;
mod environment;
mod error;
mod event;
mod handshake;
mod instance;
mod invitation;
mod jwks;
mod jwt_template;
mod listed_identifier;
mod message_template;
mod open;
mod operator;
mod passkey;
mod phone_number;
mod redirect_url;
mod session;
mod sign_in;
mod sign_up;
mod sms_message;
#[cfg(test)]
mod tests;
mod ticket;
mod totp_secret;
mod user;
mod webhook;
mod words;

pub use api_key::ApiKey;
pub use audit_entry::{AuditActor, AuditEntry, Impersonator};
pub use backup_codes::BackupCodeBatch;
pub use challenge::{Challenge, ChallengeError};
pub use client::{Attempts, Client};
pub use email_address::{EmailAddress, LinkedTo};
pub use email_message::EmailMessage;
pub use envelope::{Envelope, Page, PageMeta, Token, TotalCount, Verified};
pub use environment::{
    AuthConfig, DisplayConfig, Environment, EnvironmentAppearance, EnvironmentLocalization, FeatureSwitch,
    IdentifierRequirements, LocalizationCatalog, SessionPolicy,
};
pub use error::{ErrorBody, ErrorResponse};
pub use event::{Event, EventMeta, EventPage, EventPageMeta, EventRecord, EventTypeEntry, EventTypeList, Subject};
pub use handshake::ClientHandshake;
pub use instance::{InstanceSettings, OrganizationSettings};
pub use invitation::{Invitation, InvitationBatch};
pub use jwks::{Jwk, Jwks};
pub use jwt_template::{JwtTemplate, JwtTemplatePreview, JwtTemplateWarning};
pub use listed_identifier::{AllowlistIdentifier, BlocklistIdentifier};
pub use message_template::{EmailPreview, EmailTemplate, Shipped, SmsTemplate};
pub use open::{Metadata, OpenObject};
pub use operator::{EnvironmentRow, Project, SigningKey, SigningKeyList};
pub use passkey::{Passkey, PasskeyList};
pub use phone_number::PhoneNumber;
pub use redirect_url::RedirectUrl;
pub use session::{ActiveOrganization, Session, SessionActivity};
pub use sign_in::SignIn;
pub use sign_up::SignUp;
pub use sms_message::SmsMessage;
pub use ticket::{ActorToken, SignInToken, TicketBody, TicketSecret};
pub use totp_secret::TotpSecret;
pub use user::{User, image_url};
pub use webhook::{PushedEvent, PushedMeta, WebhookDelivery, WebhookEndpoint, WebhookReplay};
