//! What PyTorch and Keras compute, stored as data in `testdata` (see its README), against what we compute.

mod initializers;
mod layers;
mod optimizers;
mod reference;
mod schedules;
mod trainings;
