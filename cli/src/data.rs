//! `tercet data`: fetches a training text and believes it only if its hash is the pinned one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use formats::ordinary;
use sha2::{Digest, Sha256};

use crate::terminal::say;

/// Where Karpathy's char-rnn keeps the text.
const URL: &str = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt";
const SHA256: &str = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed";
const BYTES: u64 = 1_115_394;
/// A file that somebody takes for it may be longer, but not without end.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What `tercet data` was asked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which text
    #[arg(value_name = "NAME", value_parser = ["shakespeare"])]
    name: String,
    /// Where to put it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Another address to fetch it from; the hash still has to match
    #[arg(long, value_name = "URL", default_value = URL, hide_default_value = true)]
    url: String,
    /// Copy this file instead of fetching, if it is that text
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    from: Option<PathBuf>,
}

/// Runs `tercet data`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if is_there(&args.out)? {
        say(format_args!("{} is already there and is the right text", args.out.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let (text, source) = match &args.from {
        Some(path) => (ordinary::read(path, FILE_BYTES_MAX)?, path.display().to_string()),
        None => (fetch(&args.url)?, args.url.clone()),
    };
    let found = sha256(&text);
    if found != SHA256 {
        bail!(
            "{source} is not Tiny Shakespeare: its SHA-256 is {found}, expected {SHA256}; nothing was written"
        );
    }
    formats::atomic::write_atomic(&args.out, |file| file.write_all(&text))?;
    say(format_args!("{}: {} bytes, SHA-256 as expected", args.out.display(), text.len()));
    say(format_args!("next: tercet train --text {} --out RUN_DIR", crate::shell::path(&args.out)));
    Ok(ExitCode::SUCCESS)
}

/// Whether the text is there already. Anything else in its place is an error.
fn is_there(path: &Path) -> anyhow::Result<bool> {
    let there = match ordinary::open(path) {
        Ok((_, len)) => len == BYTES && sha256(&ordinary::read(path, BYTES)?) == SHA256,
        Err(formats::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    ensure!(there, "{} exists and is another file; it was left alone, choose another --out", path.display());
    Ok(true)
}

/// Never more bytes than the text has, plus one to notice a longer answer.
fn fetch(url: &str) -> anyhow::Result<Vec<u8>> {
    // Names are looked up on a thread that the library takes for granted.
    text::spare_thread()?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into();
    let get = || agent.get(url).call()?.body_mut().with_config().limit(BYTES + 1).read_to_vec();
    get().with_context(|| {
        format!(
            "cannot fetch {url}; if you have the text (1,115,394 bytes, char-rnn's tinyshakespeare/input.txt), \
             train on it with --text FILE, no download needed"
        )
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server for one request that answers `body`.
    fn serve(body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/input.txt", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let _ = peer.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = peer.write_all(head.as_bytes()).and_then(|()| peer.write_all(body));
        });
        url
    }

    fn args(out: PathBuf, url: &str, from: Option<PathBuf>) -> Args {
        Args { name: "shakespeare".into(), out, url: url.into(), from }
    }

    #[test]
    fn data_of_another_hash_is_refused_and_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("input.txt");
        let error = run(&args(out.clone(), &serve(b"not it"), None)).unwrap_err();
        assert!(error.to_string().contains("is not Tiny Shakespeare"), "{error:#}");
        assert!(!out.exists());
    }

    #[test]
    fn data_without_network_says_how_to_give_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&args(dir.path().join("x"), "http://127.0.0.1:1/input.txt", None)).unwrap_err();
        assert!(error.to_string().contains("--text FILE"), "{error:#}");
    }

    #[test]
    fn data_never_overwrites_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("mine.txt");
        std::fs::write(&out, "my notes").unwrap();
        assert!(run(&args(out.clone(), "http://127.0.0.1:1/", None)).is_err());
        assert_eq!(std::fs::read(&out).unwrap(), b"my notes");
        // Nor does one of the same length pass for it.
        std::fs::write(&out, vec![b'a'; BYTES as usize]).unwrap();
        assert!(run(&args(out, "http://127.0.0.1:1/", None)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn data_is_neither_read_from_nor_written_over_what_never_ends() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for endless in [Path::new("/dev/zero"), Path::new("/dev/urandom"), &pipe, dir.path()] {
            let from = run(&args(dir.path().join("x"), URL, Some(endless.to_owned()))).unwrap_err();
            let out = run(&args(endless.to_owned(), "http://127.0.0.1:1/", None)).unwrap_err();
            for error in [from, out] {
                assert!(error.to_string().starts_with("not an ordinary file, but a "), "{error:#}");
            }
        }
    }
}
