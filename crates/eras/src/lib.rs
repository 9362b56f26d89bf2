//! Deep learning in Rust, every era of it.
