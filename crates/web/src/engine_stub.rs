#![allow(dead_code, missing_docs)]
use domain::*; use domain::environment::Environment; use std::sync::Arc;
#[derive(Clone)] pub struct Engine; impl Engine { pub fn now(&self) -> Timestamp { Timestamp::from_millis(0) } }
pub type StorageError = std::io::Error;
pub mod tenancy { use super::*; pub struct Resolved { pub env: Arc<Environment>, pub prefix_len: usize }
 thread_local!{ pub static P: std::cell::RefCell<Option<Arc<Environment>>> = Default::default(); } pub async fn resolve(_: &Engine, _: &str, _: &str) -> Result<Option<Resolved>, StorageError> { Ok(P.with(|p| p.borrow().clone()).map(|env| Resolved{env, prefix_len: 11})) } }
pub mod callers { use super::*; use domain::client::Client; use domain::session::Session; use domain::user::User;
 pub struct DeviceCookie { pub client_id: ClientId, pub secret: crypto::Secret<String> }
 impl DeviceCookie { pub fn parse(t: &str) -> Option<Self> { let (a,b)=t.split_once('.')?; Some(Self{client_id:a.parse().ok()?, secret: crypto::Secret::new(b.into())}) } pub fn value(&self) -> crypto::Secret<String> { crypto::Secret::new(format!("{}.{}", self.client_id, self.secret.expose())) } }
 pub enum Device { Known(Client), JustReplaced(Client), Unknown }
 pub async fn device(_: &Engine, _: &Environment, _: &DeviceCookie, _: Timestamp) -> Result<Device, StorageError> { tokio::task::yield_now().await; Ok(Device::Unknown) }
 pub enum Credential { Bearer(String), SessionCookie(String), Client(DeviceCookie) }
 pub struct SignedIn { pub session: Session, pub user: User, pub client_id: ClientId }
 #[derive(Debug, thiserror::Error)] #[error("x")] pub struct CallerError; impl Refusal for CallerError { fn verdict(&self) -> Verdict { Verdict::Fault } }
 pub async fn signed_in(_: &Engine, _: &Environment, _: &Credential, _: Timestamp) -> Result<SignedIn, CallerError> { Err(CallerError) } }
pub mod api_keys { use super::*; #[derive(Debug, thiserror::Error)] #[error("x")] pub struct KeyError; impl Refusal for KeyError { fn verdict(&self) -> Verdict { Kind::Unauthenticated.code(code::AUTHENTICATION_INVALID) } }
 pub async fn authenticate(_: &Engine, _: &str, _: Timestamp) -> Result<(ApiKeyId, Arc<Environment>), KeyError> { tokio::task::yield_now().await; super::tenancy::P.with(|p| p.borrow().clone()).map(|e| (ApiKeyId::new(Timestamp::from_millis(5),[1;10]), e)).ok_or(KeyError) } }
pub mod idempotency { use super::*; use domain::context::IdempotencyClaim;
 pub enum Claimed { Fresh(IdempotencyClaim), Replay(StoredAnswer) } #[derive(Debug)] pub struct StoredAnswer { pub status: u16, pub body: Vec<u8> }
 #[derive(Debug, thiserror::Error)] #[error("x")] pub struct ClaimError; impl Refusal for ClaimError { fn verdict(&self) -> Verdict { Verdict::Fault } }
 pub async fn claim(_: &Engine, _: &Context, _: String, _: String, _: [u8; 32]) -> Result<Claimed, ClaimError> { Err(ClaimError) }
 pub async fn release(_: &Engine, _: &Context, _: &IdempotencyClaim) -> Result<(), StorageError> { Ok(()) } }
pub mod cursor { use super::*; pub async fn seal(_: &Engine, _: &Environment, _: &str, _: i64, _: &str) -> Result<String, StorageError> { Ok(String::new()) }
 pub async fn open(_: &Engine, _: &Environment, _: &str, _: &str) -> Result<Option<(i64, String)>, StorageError> { Ok(None) } }
pub mod health { use super::*; #[derive(Debug, thiserror::Error)] #[error("x")] pub struct NotReady; pub async fn ready(_: &Engine) -> Result<(), NotReady> { Ok(()) } }
