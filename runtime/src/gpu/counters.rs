//! What a session has asked of its device: counted where it is asked, so that a benchmark need not believe anybody.

/// Running totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Tokens read.
    pub tokens: u64,
    /// Shader dispatches.
    pub dispatches: u64,
    /// Submissions to the queue.
    pub submissions: u64,
    /// Bytes sent to the device.
    pub bytes_up: u64,
    /// Bytes read back.
    pub bytes_down: u64,
}

impl Counters {
    /// What was added since `before`.
    pub fn since(self, before: Counters) -> Counters {
        Counters {
            tokens: self.tokens - before.tokens,
            dispatches: self.dispatches - before.dispatches,
            submissions: self.submissions - before.submissions,
            bytes_up: self.bytes_up - before.bytes_up,
            bytes_down: self.bytes_down - before.bytes_down,
        }
    }
}
