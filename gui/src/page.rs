//! The pages of the app, in the order of the rail.

use serde::{Deserialize, Serialize};

use crate::icons::Icon;

/// One page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// Writing with the open model.
    #[default]
    Generate,
    /// What the open model's file holds.
    Model,
    /// How fast this machine is.
    Benchmark,
    /// Runs, live and past.
    Training,
    /// The model as a service.
    Server,
}

impl Page {
    /// All of them.
    pub const ALL: [Page; 5] = [Page::Generate, Page::Model, Page::Benchmark, Page::Training, Page::Server];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Page::Generate => "Generate",
            Page::Model => "Model",
            Page::Benchmark => "Benchmark",
            Page::Training => "Training",
            Page::Server => "Server",
        }
    }

    /// Its picture.
    pub fn icon(self) -> Icon {
        match self {
            Page::Generate => Icon::Pen,
            Page::Model => Icon::Grid,
            Page::Benchmark => Icon::Gauge,
            Page::Training => Icon::Curve,
            Page::Server => Icon::Plug,
        }
    }

    /// The page of that name, whatever the case.
    pub fn named(name: &str) -> Option<Page> {
        Page::ALL.into_iter().find(|p| p.title().eq_ignore_ascii_case(name))
    }
}
