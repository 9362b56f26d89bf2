//! Models of every era, one file each.

// What `#[derive(Module)]` writes names `::eras::nn`: here that is the layers' crate.
extern crate eras_nn as eras;

pub mod deep_learning;
