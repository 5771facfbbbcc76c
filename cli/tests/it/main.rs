//! The binary as a shell sees it, one test binary: each module is a subject.

mod dependencies;
mod model;
mod train;

use std::process::Command;

/// The binary under test with these arguments.
fn tercet(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tercet"));
    command.args(args);
    command
}
