use std::collections::VecDeque;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::compute::{Arena, hash_in, verify_in, verify_nothing_in};
use super::{InvalidHash, InvalidParams, Params, Policy, StoredHash};
use crate::Secret;

/// How large the pool is and what a hash costs.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    pub params: Params,
    /// Threads that hash, and so how many times `params.memory_kib` is used at most.
    pub threads: usize,
    /// Callers that may wait for each thread before the next one is sent away.
    pub waiting_per_thread: usize,
}

impl Default for PoolOptions {
    /// One core stays free for everything else, when there is another.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { params: Params::default(), threads: cores.saturating_sub(1).max(1), waiting_per_thread: 64 }
    }
}

/// Why a pool did not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolStartError {
    #[error("the password hash costs cannot be used")]
    Params(#[from] InvalidParams),
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// Why a hash was not computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("too many passwords are waiting to be hashed")]
    Busy { retry_after: Duration },
    #[error("the stored hash cannot be verified")]
    Stored(#[from] InvalidHash),
    #[error("the hash computation was cut off")]
    Failed,
}

/// The only place where passwords are hashed: few threads of its own and a bounded queue.
///
/// A flood of sign-ins costs no more memory than `threads` hashes and never the threads that
/// serve requests. The threads end when the last clone is dropped.
#[derive(Clone)]
pub struct HashPool(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    params: Params,
    threads: usize,
    room: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
    hashes: AtomicU64,
    average_micros: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Box<dyn Job>>,
    closed: bool,
}

trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, arena: &mut Arena);
}

struct Task<T, F> {
    answer: oneshot::Sender<T>,
    work: F,
}

impl<T: Send, F: FnOnce(&mut Arena) -> T + Send> Job for Task<T, F> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, arena: &mut Arena) {
        let answer = (self.work)(arena);
        // A caller who left does not want it any more.
        self.answer.send(answer).ok();
    }
}

impl HashPool {
    /// Starts the threads.
    pub fn new(options: PoolOptions) -> Result<Self, PoolStartError> {
        options.params.validate()?;
        let threads = options.threads.max(1);
        let handle = Handle {
            shared: Arc::new(Shared {
                params: options.params,
                threads,
                room: threads.saturating_mul(options.waiting_per_thread.max(1)),
                queue: Mutex::default(),
                wake: Condvar::new(),
                hashes: AtomicU64::new(0),
                average_micros: AtomicU64::new(0),
            }),
        };
        for number in 0..threads {
            let shared = Arc::clone(&handle.shared);
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || shared.work())
                .map_err(PoolStartError::Thread)?;
        }
        Ok(Self(Arc::new(handle)))
    }

    /// Hashes a new password into the text to store.
    pub async fn hash(&self, password: Secret<String>) -> Result<String, PoolError> {
        self.run(move |shared, arena| {
            let hash = hash_in(arena, &shared.params, password.expose().as_bytes());
            hash.to_string()
        })
        .await
    }

    /// Whether the password is the one behind the stored hash.
    ///
    /// A stored hash that cannot be read is a fault, and costs the caller the time of a hash all
    /// the same.
    pub async fn verify(&self, stored: String, password: Secret<String>) -> Result<bool, PoolError> {
        self.run(move |shared, arena| {
            let password = password.expose();
            let stored = StoredHash::parse(&stored);
            match stored {
                Ok(stored) if password.len() <= Policy::MAX_BYTES => Ok(verify_in(arena, &stored, password)),
                stored => {
                    verify_nothing_in(arena, &shared.params, shortened(password));
                    stored.map(|_| false).map_err(PoolError::Stored)
                }
            }
        })
        .await?
    }

    /// Takes as long as verifying a native hash and answers false: for people who do not exist.
    pub async fn verify_dummy(&self, password: Secret<String>) -> Result<bool, PoolError> {
        self.run(move |shared, arena| {
            verify_nothing_in(arena, &shared.params, shortened(password.expose()));
            false
        })
        .await
    }

    /// What a new hash costs.
    pub fn params(&self) -> &Params {
        &self.0.shared.params
    }

    /// How many hashes were computed so far.
    pub fn hashes_done(&self) -> u64 {
        self.0.shared.hashes.load(Ordering::Relaxed)
    }

    /// How many callers wait for a thread.
    pub fn waiting(&self) -> usize {
        self.0.shared.lock().jobs.len()
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&Shared, &mut Arena) -> T + Send + 'static,
    {
        self.submit(work)?.await.map_err(|_| PoolError::Failed)
    }

    pub(super) fn submit<T, F>(&self, work: F) -> Result<oneshot::Receiver<T>, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&Shared, &mut Arena) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let shared = Arc::clone(&self.0.shared);
        let work = move |arena: &mut Arena| {
            let started = Instant::now();
            let result = work(&shared, arena);
            shared.count(started.elapsed());
            result
        };
        self.0.shared.push(Box::new(Task { answer, work }))?;
        Ok(answered)
    }
}

/// No password is longer; hashing more of one would let its sender choose the price.
fn shortened(password: &str) -> &[u8] {
    let bytes = password.as_bytes();
    &bytes[..bytes.len().min(Policy::MAX_BYTES)]
}

impl Shared {
    fn push(&self, job: Box<dyn Job>) -> Result<(), PoolError> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.room {
            // Callers who left must not keep others out.
            queue.jobs.retain(|job| !job.is_abandoned());
        }
        if queue.jobs.len() >= self.room {
            let retry_after = self.time_for(queue.jobs.len());
            return Err(PoolError::Busy { retry_after });
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut arena = Arena::default();
        while let Some(job) = self.next() {
            if job.is_abandoned() {
                continue;
            }
            let run = AssertUnwindSafe(|| job.run(&mut arena));
            if catch_unwind(run).is_err() {
                // Its caller learns it from the closed channel; the thread goes on.
                tracing::error!("a password hash computation panicked");
                arena = Arena::default();
            }
            arena.trim(&self.params);
        }
    }

    fn next(&self) -> Option<Box<dyn Job>> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn count(&self, took: Duration) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let old = self.average_micros.load(Ordering::Relaxed);
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.average_micros.store(new, Ordering::Relaxed);
    }

    fn time_for(&self, jobs: usize) -> Duration {
        let average = self.average_micros.load(Ordering::Relaxed);
        let micros = average.saturating_mul((jobs / self.threads) as u64);
        Duration::from_secs(micros.div_ceil(1_000_000).clamp(1, 30))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the queue; a poisoned one is as good as any.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("threads", &self.0.shared.threads)
            .field("params", &self.0.shared.params)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
