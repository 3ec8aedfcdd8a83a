//! Templates as a process keeps them: read, and with the key that signs. They go with the tenant that they belong
//! to, so that a change counts within a second everywhere and at once where it was made.

use super::KEY_PLACE;
use crate::tenancy::{self, Tenant};
use crate::{Engine, StorageError};
use crypto::jws::BroughtSigner;
use domain::Timestamp;
use domain::jwt_template::JwtTemplate;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use templates::claims::Claims;

/// How many templates of an environment are kept; nobody honest has so many.
const KEPT: usize = 1000;

/// A note of the last mint is written at most once in this time.
const NOTED_EVERY_MS: i64 = 60_000;

/// A template, ready to mint by.
pub(crate) struct Kept {
    pub(super) template: JwtTemplate,
    pub(super) claims: Claims,
    /// Signs with the operator's own key; else the environment's key signs.
    pub(super) signer: Option<BroughtSigner>,
    noted_at: AtomicI64,
}

/// The templates that were asked for.
#[derive(Default)]
pub(crate) struct Templates(RwLock<HashMap<String, Arc<Kept>>>);

impl Templates {
    fn get(&self, name: &str) -> Option<Arc<Kept>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
    fn put(&self, kept: &Arc<Kept>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(kept.template.name.clone(), Arc::clone(kept));
    }
}

impl Kept {
    fn read(tenant: &Tenant, template: JwtTemplate) -> Result<Self, StorageError> {
        let claims =
            Claims::parse(&template.claims).map_err(|_| tenancy::fault("a stored JWT template cannot be read"))?;
        let signer = match (&template.custom_key, template.custom_kid()) {
            (Some(key), Some(kid)) => {
                let (table, column) = KEY_PLACE;
                let opened = tenant.keys.open(table, column, &template.id.to_string(), &key.sealed);
                let bytes = opened.map_err(storage::fault_from)?;
                let signer = BroughtSigner::new(template.signing_algorithm.key_kind(), &kid, &bytes);
                // The kind is compared before: bytes of a pair must never serve as a secret.
                let signer = signer.filter(|_| template.check_key().is_ok());
                Some(signer.ok_or_else(|| tenancy::fault("the stored key of a JWT template does not fit it"))?)
            }
            _ => None,
        };
        let noted_at = AtomicI64::new(template.last_used_at.map_or(0, Timestamp::millis));
        Ok(Self { template, claims, signer, noted_at })
    }

    /// Notes that a token was minted; says nothing when that was noted less than a minute ago.
    pub(super) fn note(&self, engine: &Engine, tenant: &Tenant, now: Timestamp) {
        if now.millis() >= self.noted_at.load(Ordering::Relaxed) + NOTED_EVERY_MS {
            self.noted_at.store(now.millis(), Ordering::Relaxed);
            engine.shared().activity.template(tenant.env.id, self.template.id, now);
        }
    }
}

/// Finds a template by its name.
pub(super) async fn by_name(engine: &Engine, tenant: &Tenant, name: &str) -> Result<Option<Arc<Kept>>, StorageError> {
    if let Some(kept) = tenant.templates.get(name) {
        return Ok(Some(kept));
    }
    let found = storage::jwt_templates::by_name(&mut *engine.read().await?, tenant.env.id, name).await?;
    let Some(template) = found else { return Ok(None) };
    let kept = Arc::new(Kept::read(tenant, template)?);
    tenant.templates.put(&kept);
    Ok(Some(kept))
}
