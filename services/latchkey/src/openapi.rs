//! `latchkey openapi`.

use anyhow::Context as _;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that fapi.yaml and bapi.yaml are written to
    #[arg(long, value_name = "DIR", default_value = "openapi")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("the folder {} cannot be made", arguments.out.display()))?;
    for (name, document) in [("fapi.yaml", fapi::openapi()), ("bapi.yaml", bapi::openapi())] {
        let path = arguments.out.join(name);
        let text = document.to_yaml().context("the document has no YAML form")?;
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
