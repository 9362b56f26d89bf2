//! Numerical kernels on plain slices, forward and backward, and the threads that run them.
//!
//! Nothing here knows a tensor. Every kernel gives the same bits at any number of threads: work is cut
//! into chunks whose size does not depend on how many threads there are, and partial sums are added in
//! the order of the chunks.
#![expect(
    unsafe_code,
    reason = "SIMD, buffers and threads: the only crate that may"
)]

pub mod attention;
pub mod batch_norm;
pub mod buffer;
pub mod conv;
pub mod cross_entropy;
pub mod ctc;
pub mod cumulative;
pub mod dropout;
pub mod elementwise;
pub mod float;
pub mod index;
pub mod linear;
pub mod linear_cross_entropy;
mod lines;
pub mod logsumexp;
pub mod math;
pub mod matmul;
pub mod max_pool;
pub mod norm;
pub mod optim;
pub mod order;
pub mod pair_loss;
pub mod peak;
pub mod random;
pub mod reduce;
pub mod rotary;
pub mod separable;
pub mod simd;
pub mod softmax;
mod stream;
pub mod swiglu;
pub mod team;
pub mod unfold;
mod wide;
pub mod windows;

pub use float::Float;
