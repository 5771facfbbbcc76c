//! A recorded list of kernels that a card runs at one word of the host's.
#![expect(unsafe_code, reason = "a graph may go to another thread")]

use cudarc::driver::CudaGraph;

use crate::error::{Error, Result};

/// See the top of this file.
pub struct Graph(CudaGraph);

// SAFETY: its handles are not bound to a thread, and whoever owns it is the only one who uses it: no method takes `&self` on two
// threads at once, since it is not `Sync`.
unsafe impl Send for Graph {}

impl Graph {
    pub(super) fn new(graph: CudaGraph) -> Result<Graph> {
        graph.upload().map_err(|e| Error::failed(e, "sending the step to the card"))?;
        Ok(Graph(graph))
    }

    /// Begins to run it, after everything that its device was told before.
    ///
    /// # Errors
    /// The card failed.
    pub fn launch(&mut self) -> Result<()> {
        self.0.launch().map_err(|e| Error::failed(e, "starting a step"))
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Graph")
    }
}
