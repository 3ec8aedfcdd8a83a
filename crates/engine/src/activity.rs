//! When sessions, people, keys and templates were last seen: gathered in memory and written in batches, so that a mint
//! never waits for a write. A crash loses at most the last seconds of it, never anything that was promised.

use crate::Engine;
use domain::environment::Environment;
use domain::{ApiKeyId, Context, EnvironmentId, JwtTemplateId, SessionId, Timestamp, UserId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use storage::Error;

/// A session or key is noted at most once in this time.
const EVERY: Duration = Duration::from_secs(60);

/// How many sessions one transaction notes: nobody waits long for it.
const BATCH: usize = 500;

#[derive(Default)]
struct Seen {
    sessions: HashMap<(EnvironmentId, SessionId), (UserId, Timestamp)>,
    keys: HashMap<ApiKeyId, Timestamp>,
    templates: HashMap<(EnvironmentId, JwtTemplateId), Timestamp>,
}

/// What was seen since the last write.
#[derive(Default)]
pub(crate) struct Activity(Mutex<Seen>);

impl Activity {
    /// Notes that a session was used; says nothing when that was written less than a minute ago.
    pub(crate) fn session(
        &self,
        env: &Environment,
        (session, user): (SessionId, UserId),
        last_active_at: Timestamp,
        now: Timestamp,
    ) {
        // With a short idle limit the note must not come so late that a session in use dies of it.
        let idle = env.settings.sessions.inactivity_timeout_seconds.map(|s| Duration::from_secs(s / 4));
        if now < last_active_at + idle.unwrap_or(EVERY).min(EVERY) {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.sessions.insert((env.id, session), (user, now));
    }

    /// Notes that a key was used.
    pub(crate) fn key(&self, key: &domain::key::ApiKey, now: Timestamp) {
        if key.last_used_at.is_some_and(|at| now < at + EVERY) {
            return;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.insert(key.id, now);
    }

    /// Notes that a token was minted by a template.
    pub(crate) fn template(&self, env: EnvironmentId, template: JwtTemplateId, now: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).templates.insert((env, template), now);
    }

    fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what was seen.
pub async fn flush(engine: &Engine) -> Result<(), Error> {
    let seen = engine.shared().activity.take();
    let mut by_env: HashMap<EnvironmentId, Vec<(SessionId, UserId, Timestamp)>> = HashMap::new();
    for ((env, session), (user, when)) in seen.sessions {
        by_env.entry(env).or_default().push((session, user, when));
    }
    for (env, mut sessions) in by_env {
        let cx = Context::system(env, engine.now());
        sessions.sort_unstable();
        for chunk in sessions.chunks(BATCH) {
            let sessions = chunk.to_vec();
            let mut people: BTreeMap<UserId, Timestamp> = BTreeMap::new();
            for (_, user, when) in &sessions {
                let last = people.entry(*user).or_insert(*when);
                *last = (*last).max(*when);
            }
            engine
                .write(&cx, async move |tx, cx| {
                    // Each in the order of the ids, people first: as every other transaction takes them.
                    for (user, when) in &people {
                        storage::users::touch(tx, cx.env, *user, *when).await?;
                    }
                    for (session, _, when) in &sessions {
                        storage::sessions::touch(tx, cx.env, *session, *when).await?;
                    }
                    Ok::<_, Error>(())
                })
                .await?;
        }
    }
    for ((env, template), when) in seen.templates {
        let cx = Context::system(env, engine.now());
        let noted = async move |tx: &mut storage::Tx<'_>, cx: &Context| {
            storage::jwt_templates::touch(tx, cx.env, template, when).await
        };
        engine.write(&cx, noted).await?;
    }
    let mut keys: Vec<(ApiKeyId, Timestamp)> = seen.keys.into_iter().collect();
    keys.sort_unstable();
    if keys.is_empty() {
        return Ok(());
    }
    engine.db().write(async move |tx: &mut storage::Tx<'_>| storage::api_keys::touch(tx, &keys).await).await
}
