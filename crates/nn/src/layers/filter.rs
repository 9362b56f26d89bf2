//! What convolutions and transposed ones have in common: the filter, `(first, second, *kernel)`, where groups divide the
//! second axis.

use crate::{Init, Param};
use eras_tensor::{Dims, PerAxis, Rng, Tensor};

/// The shape of a filter over `N` axes of space.
#[track_caller]
pub(super) fn shape<const N: usize>(
    layer: &str,
    first: usize,
    second: usize,
    kernel: &PerAxis,
) -> Dims {
    let kernel = kernel.each::<N>(layer, "kernel");
    [&[first, second], &kernel[..]].concat().into()
}

/// Uniform within ±1/√n, where n is the size of the filter behind its first axis.
#[track_caller]
pub(super) fn init(filter: Dims) -> Init {
    let _fits = filter.count();
    let bound = 1.0 / (filter[1..].iter().product::<usize>().max(1) as f64).sqrt();
    Init::uniform(-bound, bound)
}

#[track_caller]
pub(super) fn want_groups(layer: &str, groups: usize, before: usize, [d_in, out]: [usize; 2]) {
    assert!(
        before == 1,
        "{layer}: groups were set to {before} before; the filter is made for them"
    );
    assert!(
        groups > 0 && d_in.is_multiple_of(groups) && out.is_multiple_of(groups),
        "{layer}: {groups} groups do not divide {d_in} channels in and {out} out"
    );
}

/// Leaves `depth` of the second axis, in the range that belongs to fewer.
pub(super) fn narrow(weight: &mut Param, bias: Option<&mut Param>, depth: usize) {
    let before = weight.shape()[1];
    let scale = (before as f64 / depth.max(1) as f64).sqrt();
    let narrowed = weight.detach().narrow(1, 0, depth) * scale;
    *weight = Param::new(&narrowed);
    if let Some(bias) = bias {
        *bias = Param::new(&(bias.detach() * scale));
    }
}

/// Draws the weight from `init`, and makes the bias zero.
#[track_caller]
pub(super) fn draw(weight: &mut Param, bias: Option<&mut Param>, init: Init, rng: &mut Rng) {
    *weight = Param::new(&init.draw(weight.shape(), rng));
    if let Some(bias) = bias {
        *bias = Param::new(&Tensor::zeros(bias.shape()));
    }
}
