//! The pages of the app, in the order of the rail.

use serde::{Deserialize, Serialize};

use crate::icons::Icon;

/// A page, as the settings keep it and `--page` names it.
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
    /// All five, as the rail has them from top to bottom.
    pub const ALL: [Page; 5] = [Page::Generate, Page::Model, Page::Benchmark, Page::Training, Page::Server];

    /// What the rail calls it.
    pub fn title(self) -> &'static str {
        match self {
            Page::Generate => "Generate",
            Page::Model => "Model",
            Page::Benchmark => "Benchmark",
            Page::Training => "Training",
            Page::Server => "Server",
        }
    }

    /// What stands over that in the rail.
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
