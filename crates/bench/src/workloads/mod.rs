//! The workloads. Sizes are those of `bench/peers`, so that the same names can be compared.

pub(crate) mod adam;
pub(crate) mod attention;
pub(crate) mod early;
pub(crate) mod language;
pub(crate) mod matmul;
pub(crate) mod mlp;
pub(crate) mod networks;
pub(crate) mod rows;
pub(crate) mod small;
pub(crate) mod transformer;
