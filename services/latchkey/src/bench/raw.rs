//! The cryptography alone, without a server around it: what the ratios are taken of.

use super::series::Series;
use anyhow::{Context as _, bail};
use crypto::Secret;
use crypto::jws::{Algorithm, Signer, Verifier, generate_pkcs8};
use crypto::password::{HashPool, PoolOptions};
use std::time::{Duration, Instant};

/// What the cryptography costs by itself.
#[derive(Default)]
pub(super) struct Raw {
    /// Microseconds of a processor for one ES256 signature.
    pub(super) signature: Series,
    /// The same for one that is verified.
    pub(super) verification: Series,
    /// Argon2id hashes in a second on as many threads as the server has slots.
    pub(super) hashes: Series,
    /// Microseconds of a processor for one of those.
    pub(super) hash_cpu: Series,
}

/// Raw hashes on a number of threads.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    pub(super) per_second: f64,
    pub(super) cpu_each: f64,
}

impl Raw {
    pub(super) fn add(&mut self, hashes: Hashes) {
        self.hashes.push(hashes.per_second);
        self.hash_cpu.push(hashes.cpu_each);
    }
}

/// Processor time of the calling thread so far.
fn thread_cpu() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").context("/proc does not tell a thread's time")?;
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok()).context("/proc has another form")?;
    Ok(Duration::from_nanos(nanos))
}

/// Signs a message of so many bytes on so many threads at once, and tells the processor time of one signature.
///
/// As many threads as the server has workers: where two processors share a core, one alone would be faster.
pub(super) fn signature(threads: usize, message: usize, length: Duration) -> anyhow::Result<f64> {
    let key = generate_pkcs8(Algorithm::Es256)?;
    let signer = Signer::new(Algorithm::Es256, "bench", &key)?;
    let message = vec![b'x'; message];
    cpu_each(threads, length, || {
        std::hint::black_box(signer.signature(std::hint::black_box(&message))?);
        Ok(())
    })
}

/// The same for verifying the signature of a short token, which is what an assertion costs at least.
pub(super) fn verification(threads: usize, length: Duration) -> anyhow::Result<f64> {
    let signer = Signer::new(Algorithm::Es256, "bench", &generate_pkcs8(Algorithm::Es256)?)?;
    let (token, verifier) = (signer.sign_bytes(Some("JWT"), b"{}")?, Verifier::from_jwk(signer.public_jwk())?);
    cpu_each(threads, length, || {
        std::hint::black_box(verifier.verify(std::hint::black_box(&token))?);
        Ok(())
    })
}

/// Does one thing on so many threads at once, and tells the processor time of doing it once.
fn cpu_each(threads: usize, length: Duration, once: impl Fn() -> anyhow::Result<()> + Sync) -> anyhow::Result<f64> {
    let until = Instant::now() + length;
    let over_and_over = || {
        let before = thread_cpu()?;
        let mut count = 0_u32;
        while Instant::now() < until {
            for _ in 0..100 {
                once()?;
            }
            count += 100;
        }
        anyhow::Ok((thread_cpu()? - before, count))
    };
    let (mut cpu, mut count) = (Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(over_and_over)).collect();
        for thread in working {
            let done = thread.join().ok().context("a measuring thread panicked")??;
            cpu += done.0;
            count += done.1;
        }
        anyhow::Ok(())
    })?;
    Ok(cpu.as_secs_f64() * 1e6 / f64::from(count))
}

/// Hashes with a full queue and counts what is done in a second.
pub(super) async fn hashes(options: PoolOptions, length: Duration) -> anyhow::Result<Hashes> {
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
    let ours = || super::server::cpu_of(std::process::id());
    let (began, before, cpu) = (Instant::now(), pool.hashes_done(), ours()?);
    tokio::time::sleep(length).await;
    done_soon(pool.hashes_done() + 1).await;
    let (took, done, cpu) = (began.elapsed(), pool.hashes_done() - before, ours()? - cpu);
    if let Some(Ok(failed)) = asking.try_join_next() {
        bail!("a raw hash failed: {failed}");
    }
    let done = done as f64;
    Ok(Hashes { per_second: done / took.as_secs_f64(), cpu_each: cpu.as_secs_f64() * 1e6 / done })
}
