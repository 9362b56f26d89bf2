//! Era 3, 1969-1989.

pub(crate) mod backprop;
pub(crate) mod hopfield;

pub use backprop::BackpropRecipe;
pub use hopfield::HopfieldRecipe;
