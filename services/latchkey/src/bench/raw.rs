//! The cryptography alone, without a server around it: what the ratios are taken of.

use anyhow::{Context as _, bail};
use crypto::Secret;
use crypto::jws::{Algorithm, Signer, generate_pkcs8};
use crypto::password::{HashPool, PoolOptions};
use std::time::{Duration, Instant};

/// What the cryptography costs by itself.
pub(super) struct Raw {
    /// Microseconds of a processor for one ES256 signature, one thread; each timing.
    pub(super) signature: Vec<f64>,
    /// Argon2id hashes in a second on one thread.
    pub(super) hashes_alone: f64,
    /// The same on as many threads as the server has slots; each timing.
    pub(super) hashes: Vec<f64>,
}

impl Raw {
    pub(super) async fn time(passwords: PoolOptions, length: Duration) -> anyhow::Result<Self> {
        let signature = vec![signature(length)?];
        let hashes_alone = hashes(PoolOptions { threads: 1, ..passwords }, length).await?;
        Ok(Self { signature, hashes_alone, hashes: Vec::new() })
    }

    /// Times the signature once more: beside a server that shares its machine, one timing is none.
    pub(super) fn signature_again(&mut self, length: Duration) -> anyhow::Result<()> {
        self.signature.push(signature(length)?);
        Ok(())
    }

    pub(super) async fn hashes_again(&mut self, passwords: PoolOptions, length: Duration) -> anyhow::Result<()> {
        self.hashes.push(hashes(passwords, length).await?);
        Ok(())
    }

    /// The mean of the timings.
    pub(super) fn signature_micros(&self) -> f64 {
        mean(&self.signature)
    }

    /// The mean of the timings.
    pub(super) fn hashes_per_second(&self) -> f64 {
        mean(&self.hashes)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Processor time of the calling thread so far.
fn thread_cpu() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("/proc does not tell a thread's time")?;
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok()).context("/proc has another form")?;
    Ok(Duration::from_nanos(nanos))
}

/// Signs a message of a session token's length, on this thread, and counts its own processor time.
fn signature(length: Duration) -> anyhow::Result<f64> {
    let key = generate_pkcs8(Algorithm::Es256)?;
    let signer = Signer::new(Algorithm::Es256, "bench", &key)?;
    let message = [b'x'; 480];
    let until = Instant::now() + length;
    let before = thread_cpu()?;
    let mut count = 0_u32;
    while Instant::now() < until {
        for _ in 0..100 {
            std::hint::black_box(signer.signature(std::hint::black_box(&message))?);
        }
        count += 100;
    }
    Ok((thread_cpu()? - before).as_secs_f64() * 1e6 / f64::from(count))
}

/// Hashes with a full queue and counts what is done in a second.
async fn hashes(options: PoolOptions, length: Duration) -> anyhow::Result<f64> {
    let pool = HashPool::new(options)?;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..options.threads.max(1) * 2 {
        let pool = pool.clone();
        asking.spawn_local(async move {
            loop {
                if let Err(error) = pool.hash(Secret::new(super::people::PASSWORD.to_owned())).await {
                    return error;
                }
            }
        });
    }
    let done_soon = async |at_least: u64| {
        while pool.hashes_done() < at_least {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    // From the end of one hash to the end of another: a stretch of any other length counts half hashes.
    done_soon(u64::try_from(options.threads * 2)?).await;
    let (began, before) = (Instant::now(), pool.hashes_done());
    tokio::time::sleep(length).await;
    done_soon(pool.hashes_done() + 1).await;
    let (took, done) = (began.elapsed(), pool.hashes_done() - before);
    if let Some(Ok(failed)) = asking.try_join_next() {
        bail!("a raw hash failed: {failed}");
    }
    Ok(done as f64 / took.as_secs_f64())
}
