//! Pictures of people: made anew, kept under a name that nobody can guess, deleted when nobody shows them any more.

use crate::refusals::stored;
use crate::standing::{self, Unfit};
use crate::{Engine, StorageError, people, tenancy};
use bytes::Bytes;
use domain::user::Person;
use domain::{Context, EnvironmentId, JobId, Kind, Refusal, Timestamp, UserId, Verdict, code};
use outbound::ObjectError;
use protocols::image::{self, ImageRefused};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use storage::Tx;
use storage::jobs::LeasedJob;
use tokio::sync::Semaphore;

/// The kind of job that deletes a picture unless its owner shows it.
pub(crate) const JOB: &str = "image";

/// How many pictures are decoded at a time: each may take some hundred megabytes.
const AT_ONCE: usize = 2;

/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// After this time a picture that was stored, but never became anybody's, is deleted.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What a picture's content type is, whatever was uploaded.
pub const CONTENT_TYPE: &str = "image/png";

/// The turns of decoding.
pub(crate) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Why a picture is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be taken.
    #[error(transparent)]
    Refused(#[from] ImageRefused),
    /// The person is gone.
    #[error("there is no such user")]
    NotFound,
    /// Too many pictures are being decoded.
    #[error("too many images are being read")]
    Busy,
    /// The store failed.
    #[error("the image cannot be stored")]
    Store(#[from] ObjectError),
    /// The decoder broke.
    #[error("the image could not be worked on")]
    Worker(#[from] tokio::task::JoinError),
    /// The session does not bear the change (any more).
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The database failed.
    #[error("the image cannot be written down")]
    Storage(#[from] StorageError),
}
stored!(ImageError);

impl Refusal for ImageError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Refused(ImageRefused::TooLarge) => Kind::TooLarge.code(code::IMAGE_TOO_LARGE),
            Self::Refused(ImageRefused::Unsupported | ImageRefused::Broken) => {
                Kind::UnsupportedType.code(code::IMAGE_TYPE_UNSUPPORTED)
            }
            Self::NotFound => Kind::NotFound.code(code::USER_NOT_FOUND),
            Self::Busy => Kind::Busy.code(code::SERVER_BUSY).with("retry_after_seconds", 5),
            Self::Unfit(unfit) => unfit.verdict(),
            Self::Store(_) | Self::Worker(_) | Self::Storage(_) => Verdict::Fault,
        }
    }
}

/// Gives a person a picture in place of the one before.
pub async fn set(engine: &Engine, cx: &Context, user: UserId, file: Bytes) -> Result<Person, ImageError> {
    // Nobody's picture is not worth the work.
    storage::users::find(&mut *engine.read().await?, cx.env, user).await?.ok_or(ImageError::NotFound)?;
    let picture = decode(engine, file).await?;
    let name = format!("{}.png", crypto::random::base62(22).expose());
    let tenant = tenancy::tenant(engine, cx.env).await?;
    // Written down before it is stored: if we die half-way, it is deleted later.
    let planned = name.clone();
    engine
        .write(cx, async move |tx, cx| {
            Ok::<_, ImageError>(check_later(tx, cx, user, &planned, cx.now + ABANDONED).await?)
        })
        .await?;
    engine.shared().objects().put(&place(cx.env, &name), picture.bytes).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(ImageError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            if let Some(old) = person.user.image_key.replace(name.clone()) {
                check_later(tx, cx, user, &old, cx.now).await?;
            }
            people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            Ok(person)
        })
        .await
}

/// Takes a person's picture away; without one nothing changes.
pub async fn clear(engine: &Engine, cx: &Context, user: UserId) -> Result<Person, ImageError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    engine
        .write(cx, async move |tx, cx| {
            let mut person = storage::users::lock(tx, cx.env, user).await?.ok_or(ImageError::NotFound)?;
            standing::still_live(tx, cx, &tenant.env.settings, &person).await??;
            if let Some(old) = person.user.image_key.take() {
                check_later(tx, cx, user, &old, cx.now).await?;
                people::save(tx, cx, &tenant.env.settings, &mut person).await?;
            }
            Ok(person)
        })
        .await
}

/// Sees to it that the picture of a person who is deleted goes, too.
pub(crate) async fn forget(tx: &mut Tx<'_>, cx: &Context, person: &Person) -> Result<(), StorageError> {
    match &person.user.image_key {
        Some(name) => check_later(tx, cx, person.user.id, name, cx.now).await,
        None => Ok(()),
    }
}

/// Finds a picture by its name.
pub async fn find(engine: &Engine, env: EnvironmentId, name: &str) -> Result<Option<Bytes>, ObjectError> {
    if !is_name(name) {
        return Ok(None);
    }
    engine.shared().objects().get(&place(env, name)).await
}

/// Whether a text can be the name of a picture of ours.
fn is_name(text: &str) -> bool {
    let stem = text.strip_suffix(".png").unwrap_or_default();
    stem.len() == 22 && stem.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Deletes the picture of somebody whose environment is deleted.
pub(crate) async fn purge(engine: &Engine, env: EnvironmentId, name: &str) -> Result<(), ObjectError> {
    engine.shared().objects().delete(&place(env, name)).await
}

fn place(env: EnvironmentId, name: &str) -> String {
    format!("images/{env}/{name}")
}

async fn decode(engine: &Engine, file: Bytes) -> Result<image::Image, ImageError> {
    let turns = &engine.shared().image_turns.0;
    let turn = tokio::time::timeout(PATIENCE, turns.acquire()).await.map_err(|_| ImageError::Busy)?;
    // The semaphore is never closed.
    let _turn = turn.map_err(|_| ImageError::Busy)?;
    Ok(tokio::task::spawn_blocking(move || image::reencode(&file)).await??)
}

#[derive(Serialize, Deserialize)]
struct Check {
    user: UserId,
    name: String,
}

async fn check_later(
    tx: &mut Tx<'_>,
    cx: &Context,
    user: UserId,
    name: &str,
    at: Timestamp,
) -> Result<(), StorageError> {
    let check = Check { user, name: name.to_owned() };
    let payload = serde_json::to_string(&check).expect("a check has a JSON form");
    let job: JobId = cx.id();
    storage::jobs::enqueue(tx, cx.env, job, JOB, payload, at).await
}

/// Why a picture could not be looked after.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    /// The job cannot be read.
    #[error("a queued check of an image cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// The store failed.
    #[error("an image cannot be deleted")]
    Store(#[from] ObjectError),
    /// The database failed.
    #[error("the owner of an image cannot be read")]
    Storage(#[from] StorageError),
}

impl SweepError {
    pub(crate) fn may_retry(&self) -> bool {
        !matches!(self, Self::Unreadable(_))
    }
}

/// Deletes a picture unless its owner shows it.
pub(crate) async fn sweep(engine: &Engine, job: &LeasedJob) -> Result<(), SweepError> {
    let check: Check = serde_json::from_str(&job.payload)?;
    let owner = storage::users::find(&mut *engine.read().await?, job.env, check.user).await?;
    if owner.is_some_and(|user| user.image_key.as_deref() == Some(check.name.as_str())) {
        return Ok(());
    }
    Ok(engine.shared().objects().delete(&place(job.env, &check.name)).await?)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_letters_and_digits_and_nothing_else() {
        assert!(is_name(&format!("{}.png", "aZ9".repeat(7) + "x")));
        for other in
            ["", ".png", "../../master.key", &format!("{}.png", "a".repeat(21)), &format!("{}.svg", "a".repeat(22))]
        {
            assert!(!is_name(other), "{other}");
        }
        assert!(!is_name(&format!("{}/.png", "a".repeat(21))));
    }
}
