//! Era 3, 1969-1989.

mod backprop;
mod boltzmann;
mod hopfield;
mod rbm;

pub use backprop::BackpropRecipe;
pub use boltzmann::BoltzmannRecipe;
pub use hopfield::HopfieldRecipe;
pub use rbm::RbmRecipe;
