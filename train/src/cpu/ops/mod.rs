//! The ops of a training step on the CPU, forward and backward, one op a file, over the rows of one pass of one shard.
//! Forward ops call the kernels that serve, so that what is trained is what is served.

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod bit_linear;
pub(super) mod cross_entropy;
pub(super) mod embed;
pub(super) mod hyper;
pub(super) mod norm;
pub(super) mod norm_rope;
