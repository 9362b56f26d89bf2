//! The data sets, seen from outside.

mod cifar;
mod common;
mod csv;
mod datasets;
mod find;
mod idx;
mod loader;
mod made;
mod mnist;
mod pictures;
mod subsets;
