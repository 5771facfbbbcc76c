//! Where a server's API begins.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

use super::error::Error;

/// An address such as `http://127.0.0.1:8082/v1`; what clients call the base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    base: String,
}

impl Address {
    /// Of one of its paths, such as `completions`.
    pub(super) fn of(&self, path: &str) -> Uri {
        format!("{}/{path}", self.base).parse().expect("it was an address without the path")
    }
}

impl FromStr for Address {
    type Err = Error;

    /// With or without the `/v1` at its end.
    fn from_str(text: &str) -> Result<Self, Error> {
        let not = |problem: &str| Error::Address { found: formats::shown(text), problem: problem.to_owned() };
        let uri: Uri = text.parse().map_err(|error: hyper::http::uri::InvalidUri| not(&error.to_string()))?;
        let scheme = uri.scheme_str().ok_or_else(|| not("it does not begin with http://"))?;
        if !["http", "https"].contains(&scheme) {
            return Err(not("it does not begin with http://"));
        }
        let authority = uri.authority().ok_or_else(|| not("it names no host"))?;
        if uri.query().is_some() {
            return Err(not("it holds a question mark"));
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        Ok(Address { base: format!("{scheme}://{authority}{path}/v1") })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_same_with_and_without_their_ending() {
        for (text, base) in [
            ("http://127.0.0.1:8082", "http://127.0.0.1:8082/v1"),
            ("http://127.0.0.1:8082/", "http://127.0.0.1:8082/v1"),
            ("http://[::1]:8082/v1/", "http://[::1]:8082/v1"),
            ("https://a.example/llm/v1", "https://a.example/llm/v1"),
            ("https://a.example/llm", "https://a.example/llm/v1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), base);
            assert_eq!(address.of("models").to_string(), format!("{base}/models"));
        }
    }

    #[test]
    fn anything_else_is_refused_in_a_sentence() {
        for text in [
            "",
            "localhost:8082",
            "127.0.0.1:8082",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a/?x=1",
            "/v1",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(
                error.contains("is no address of a server") && error.contains("http://HOST:PORT"),
                "{error}"
            );
        }
    }
}
