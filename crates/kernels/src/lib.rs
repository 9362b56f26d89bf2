//! Numerical kernels on plain slices, forward and backward, and the threads that run them.
//!
//! Nothing here knows a tensor. Every kernel gives the same bits at any number of threads: work is cut
//! into chunks whose size does not depend on how many threads there are, and partial sums are added in
//! the order of the chunks.
#![expect(unsafe_code, reason = "SIMD, buffers and threads: the only crate that may")]

pub mod float;
pub mod team;

pub use float::Float;
