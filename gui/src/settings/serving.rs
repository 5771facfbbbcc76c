//! How the server page serves, as it is kept; the server's own options are made of it.

use serde::{Deserialize, Serialize};
use serve::{Options, TEXTS};

/// See the top of this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Serving {
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Whether other machines reach it.
    pub others: bool,
    /// The key that is asked for; empty for none.
    pub key: String,
    /// Texts that are read and written at once.
    pub texts: usize,
    /// Tokens that each has in sight; `None` is as many as the model was made for.
    pub context: Option<usize>,
    /// Whether it starts with the app.
    pub at_start: bool,
    /// Whether the panel of settings is shown.
    pub panel: bool,
    /// In which words it is shown how others ask.
    pub example: ExampleKind,
}

/// What others ask with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExampleKind {
    /// A shell.
    #[default]
    Curl,
    /// A program in Python.
    Python,
    /// A program in JavaScript.
    JavaScript,
    /// Open WebUI.
    OpenWebUi,
}

impl ExampleKind {
    /// All there are.
    pub const ALL: [ExampleKind; 4] =
        [ExampleKind::Curl, ExampleKind::Python, ExampleKind::JavaScript, ExampleKind::OpenWebUi];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            ExampleKind::Curl => "curl",
            ExampleKind::Python => "Python",
            ExampleKind::JavaScript => "JavaScript",
            ExampleKind::OpenWebUi => "Open WebUI",
        }
    }
}

impl Default for Serving {
    fn default() -> Self {
        Serving {
            port: Options::default().port,
            others: false,
            key: String::new(),
            texts: TEXTS,
            context: None,
            at_start: false,
            panel: true,
            example: ExampleKind::default(),
        }
    }
}

impl Serving {
    /// The key, if one is asked for.
    pub fn key(&self) -> Option<&str> {
        Some(self.key.trim()).filter(|key| !key.is_empty())
    }

    /// What a server is asked to do.
    pub fn options(&self) -> Options {
        let options = Options::default();
        let host = if self.others { "0.0.0.0".to_owned() } else { options.host.clone() };
        Options {
            host,
            port: self.port,
            keys: self.key().map(str::to_owned).into_iter().collect(),
            ..options
        }
    }

    /// Why a server cannot be asked to do this, and what to do about that.
    pub fn wrong(&self) -> Option<&'static str> {
        match self.key() {
            None if self.others => Some("Other machines are to reach it: make a key first"),
            Some(key) if key.chars().any(|c| !c.is_ascii_graphic()) => {
                Some("A key is letters, digits and signs of ASCII, without spaces; make a new one")
            }
            _ => None,
        }
    }

    /// Whether a server that was started with these does all that `other` asks.
    pub fn serves_as(&self, other: &Serving) -> bool {
        let asked = |s: &Serving| (s.port, s.others, s.key().map(str::to_owned), s.texts, s.context);
        asked(self) == asked(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_need_a_key_that_can_be_sent() {
        let mut serving = Serving { port: 0, ..Serving::default() };
        assert!(serving.wrong().is_none() && serving.options().check().is_ok());
        serving.others = true;
        assert!(serving.wrong().is_some() && serving.options().check().is_err());
        for key in ["two words", "schl\u{fc}ssel"] {
            serving.key = key.into();
            assert!(serving.wrong().is_some() && serving.options().check().is_err(), "{key}");
        }
        serving.key = " sk-1 ".into();
        assert!(serving.wrong().is_none() && serving.options().check().is_ok());
        assert_eq!(serving.options().keys, ["sk-1"]);
        let page = Serving { panel: false, at_start: true, example: ExampleKind::Python, ..serving.clone() };
        assert!(serving.serves_as(&page));
        assert!(!serving.serves_as(&Serving { texts: 1, ..page }));
    }
}
