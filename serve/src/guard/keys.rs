//! The keys that let a request in. They are compared by their hashes, in the same time whatever is wrong with what was sent.

use axum::http::{HeaderMap, header};

use crate::api::Refusal;
use crate::error::{Error, Result};

/// Keys, as hashes; none where none is asked for.
#[derive(Debug)]
pub struct Keys(Vec<blake3::Hash>);

impl Keys {
    /// These.
    ///
    /// # Errors
    /// One that no header can carry.
    pub fn new(keys: &[String]) -> Result<Keys> {
        for key in keys {
            let bad = key.chars().find(|c| !c.is_ascii_graphic());
            if key.is_empty() || bad.is_some() {
                return Err(Error::Key { found: bad.map_or_else(String::new, String::from) });
            }
        }
        Ok(Keys(keys.iter().map(|key| blake3::hash(key.as_bytes())).collect()))
    }

    /// Whether one is asked for.
    pub fn are_asked(&self) -> bool {
        !self.0.is_empty()
    }

    /// Lets a request through that carries one, as OpenAI's clients send it.
    ///
    /// # Errors
    /// None, or another.
    pub fn check(&self, headers: &HeaderMap) -> std::result::Result<(), Refusal> {
        if !self.are_asked() {
            return Ok(());
        }
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let Some((scheme, key)) = given.and_then(|value| value.split_at_checked(7)) else {
            return Err(Refusal::no_key(given.is_some()));
        };
        let key = blake3::hash(key.trim_ascii());
        // Hashes are compared in constant time, and all of them are.
        let known = self.0.iter().fold(false, |known, one| known | (*one == key));
        if known && scheme.eq_ignore_ascii_case(b"bearer ") { Ok(()) } else { Err(Refusal::no_key(true)) }
    }
}
