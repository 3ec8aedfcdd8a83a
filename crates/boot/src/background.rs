//! What a process that only answers requests must do beside them.

use crate::Platform;
use engine::tenancy::UNSEEN_AT_MOST;
use std::io;
use std::time::Duration;

/// Keeps this process's caches true and writes what it gathered, twice a second, until the process ends.
///
/// A worker in the same process does this already.
pub fn start(platform: &Platform) -> io::Result<()> {
    let platform = platform.clone();
    std::thread::Builder::new().name("background".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(run(&platform)),
            Err(error) => tracing::error!(%error, "caches are not kept true: restart the process"),
        }
    })?;
    Ok(())
}

async fn run(platform: &Platform) {
    let engine = platform.engine();
    loop {
        tokio::time::sleep(UNSEEN_AT_MOST / 2).await;
        let round = async {
            engine::tenancy::refresh(&engine).await?;
            engine::activity::flush(&engine).await
        };
        if let Err(error) = round.await {
            tracing::warn!(error = crate::process::chain(&error), "caches could not be refreshed");
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
    }
}
