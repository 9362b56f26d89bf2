//! Models of every era, one file each.

// What `#[derive(Module)]` writes names `::eras::nn`: here that is the layers' crate.
extern crate eras_nn as eras;

// In the order of the eras.
pub mod first_light;

pub mod perceptron;

pub mod connectionism;

pub mod deep_learning;

pub mod large_models;

mod grad_cam;

pub use grad_cam::{FeatureMaps, grad_cam};
