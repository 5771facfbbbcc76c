//! What `tercet` does when it is given nothing but, perhaps, a model: writes verse.

use std::path::Path;
use std::process::ExitCode;

/// Writes verse with `file`, or with the model that ships with the program.
pub fn run(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let _ = file;
    anyhow::bail!("verse is not built yet")
}
