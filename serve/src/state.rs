//! What every request finds: the models, the options, and who else is served.

use std::sync::Arc;

use tokio::sync::watch;

use crate::api::{Fields, Refusal};
use crate::guard::Guard;
use crate::metrics::Metrics;
use crate::options::Limits;
use crate::texts::{Registry, Served};

/// How far the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It takes requests.
    Serving,
    /// It serves those that it has taken.
    Draining,
    /// It ends at once.
    Ending,
}

/// See the top of this file.
#[derive(Debug)]
pub struct State {
    pub models: Vec<Arc<Served>>,
    pub guard: Guard,
    pub limits: Limits,
    pub registry: Arc<Registry>,
    pub metrics: Arc<Metrics>,
    pub phase: watch::Sender<Phase>,
}

impl State {
    /// The model that a request names; the first where it names none.
    ///
    /// # Errors
    /// A name of another type, or that no model here has.
    pub fn model(&self, fields: &Fields) -> Result<Arc<Served>, Refusal> {
        match fields.str("model")? {
            None | Some("") => Ok(Arc::clone(&self.models[0])),
            Some(name) => self.model_called(name),
        }
    }

    /// The model of that name.
    ///
    /// # Errors
    /// None has it.
    pub fn model_called(&self, name: &str) -> Result<Arc<Served>, Refusal> {
        let found = self.models.iter().find(|model| model.is_called(name));
        found.map(Arc::clone).ok_or_else(|| {
            let there: Vec<_> = self.models.iter().map(|model| format!("`{}`", model.name())).collect();
            Refusal::no_model(name, &there.join(", "))
        })
    }

    /// Whether it takes requests.
    pub fn is_serving(&self) -> bool {
        *self.phase.borrow() == Phase::Serving
    }
}
