//! WGSL kernels, one op a file, and the contract they share with their callers.
