//! Era 3, 1969-1989.

pub(crate) mod backprop;
mod boltzmann;
pub(crate) mod hopfield;
mod rbm;

pub use backprop::BackpropRecipe;
pub use boltzmann::BoltzmannRecipe;
pub use hopfield::HopfieldRecipe;
pub use rbm::RbmRecipe;
