//! Several cards that train one model. Each has all parameters and takes a share of every batch; the gradients are added up over all of them
//! (NCCL), and then each does the same step, to the bit. One of them, the first, is the run's device: it is told everything as any other
//! device is, and tells the others, which are threads of its process or processes of their own, here or on other machines.

mod call;
mod cluster;
mod follow;
mod lead;
mod line;
mod watch;
mod wire;

pub use cluster::Cluster;
pub use lead::{Several, Taken};

use follow::Follower;
use line::Line;
pub(crate) use watch::Watch;
