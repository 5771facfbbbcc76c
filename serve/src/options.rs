//! What a server is asked to do: where it listens, whom it lets in, what it puts up with.

use std::time::Duration;

use runtime::engine::EngineOptions;
use text::{Device, Setup};

/// A server's options.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name or address to listen at.
    pub host: String,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Keys of which every request must carry one; none for a server that asks for none.
    pub keys: Vec<String>,
    /// Listen where other machines reach it although no key is asked for.
    pub insecure: bool,
    /// Origins of pages that may use it beside those of this machine; `*` for any.
    pub origins: Vec<String>,
    /// Names that it is called by beside localhost and addresses.
    pub names: Vec<String>,
    /// What it puts up with.
    pub limits: Limits,
}

impl Default for Options {
    /// At port 8082 of this machine, for this machine, without a key.
    fn default() -> Self {
        Options {
            host: "127.0.0.1".to_owned(),
            port: 8082,
            keys: Vec::new(),
            insecure: false,
            origins: Vec::new(),
            names: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// What a server puts up with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time of a request, waiting included.
    pub request: Duration,
    /// Time for the head of a request, and between two requests of a connection.
    pub head: Duration,
    /// Time for its body.
    pub body: Duration,
    /// Time in which a client must take something of what is sent.
    pub write: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Connections at once. Where there are more, those without a request give way, the longest idle first.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request: Duration::from_secs(600),
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            // More than the text of any context there is.
            body_bytes: 4 << 20,
            connections: 512,
        }
    }
}

/// Texts of a model at once, where nobody says how many.
pub const TEXTS: usize = 64;
/// Requests that may wait for a model, likewise.
pub const QUEUE: usize = 256;

/// How a model is served.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Where and how it runs, how many texts at once among it.
    pub setup: Setup,
    /// Requests that may wait for others; one more is refused.
    pub queue: usize,
}

impl ModelOptions {
    /// On a device, so many texts at once. As many are kept that have ended: what comes next may begin like one of them.
    pub fn new(device: Device, texts: usize) -> ModelOptions {
        let engine = EngineOptions { texts, kept: texts, ..EngineOptions::default() };
        ModelOptions { setup: Setup { device, engine }, queue: QUEUE }
    }
}
