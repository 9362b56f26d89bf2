//! Era 1, 1943-1956.

pub(crate) mod hebb;
pub(crate) mod mcculloch_pitts;

pub use hebb::HebbRecipe;
pub use mcculloch_pitts::McCullochPittsRecipe;
