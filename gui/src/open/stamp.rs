//! What tells one version of a file from the next, without reading it.

use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// See the top of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes of the file; 0 where there is none.
    pub len: u64,
    /// When it was written last, where the system tells.
    pub modified: Option<SystemTime>,
}

impl Stamp {
    /// Of the file as it is now; the default one where there is none.
    pub fn of(path: &Path) -> Stamp {
        let meta = std::fs::metadata(path).ok();
        meta.map_or_else(Stamp::default, |m| Stamp { len: m.len(), modified: m.modified().ok() })
    }
}
