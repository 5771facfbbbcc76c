//! Tells the program which commit it is: `TERCET_COMMIT` where a packager sets it, else git's word, else `unknown`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TERCET_COMMIT");
    // Written at every commit and checkout; absent in a tarball, and then cargo has nothing to watch.
    let log = "../.git/logs/HEAD";
    if std::path::Path::new(log).exists() {
        println!("cargo::rerun-if-changed={log}");
    } else {
        println!("cargo::rerun-if-changed=build.rs");
    }
    let commit = std::env::var("TERCET_COMMIT").ok().filter(|c| !c.is_empty()).or_else(from_git);
    println!("cargo::rustc-env=TERCET_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out. Edits after it are not seen: that would mean building anew for every change of any file.
fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !commit.trim().is_empty()).then(|| commit.trim().to_string())
}
