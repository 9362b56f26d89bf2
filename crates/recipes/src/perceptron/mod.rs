//! Era 2, 1957-1969.

pub(crate) mod rosenblatt;

pub use rosenblatt::PerceptronRecipe;
