//! The kernels and the backend on a device that `emulator` makes of this processor, or on a real card where `TERCET_CUDA=card` says so.

mod activation;
mod attention;
mod ceiling;
mod embed;
mod fixture;
mod gemm;
mod harness;
mod head;
mod hyper;
mod linear;
mod muon;
mod norm;
mod paper;
mod quantise;
mod races;
mod recompute;
mod residual;
mod rope;
mod rows;
mod several;
mod step;
mod sums;
mod table;
mod update;
