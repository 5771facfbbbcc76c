//! The binary as a shell sees it, one test binary: each module is a subject.

mod app;
mod app_training;
mod arguments;
mod bench;
mod chat;
mod convert;
mod cuda;
mod dependencies;
mod documents;
mod info;
mod model;
mod portable;
mod running;
#[cfg(unix)]
mod serve;
mod served;
mod signals;
mod threads;
mod train;
mod unsafe_homes;

use std::process::{Command, Output};

/// The binary under test with these arguments. It leaves the user's cache alone.
fn tercet(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tercet"));
    // Whoever runs the tests wants no windows.
    command.args(args).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    command.env("TERCET_CACHE", "");
    command
}

/// The model that comes with the program.
fn shipped_model() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../models/shakespeare.gguf").into()
}

/// Exit code (-1 for a signal), stdout and stderr.
fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Stdout of a command that must succeed.
fn done(command: &mut Command) -> String {
    let (code, stdout, stderr) = output(command);
    assert_eq!(code, 0, "{command:?}: {stderr}");
    stdout
}
