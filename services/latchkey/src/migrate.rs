//! `latchkey migrate`.

use boot::Config;

pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let done = boot::migrate(&config).await?;
    if done.is_empty() {
        println!("the database is up to date");
    }
    for name in done {
        println!("done: {name}");
    }
    Ok(())
}
