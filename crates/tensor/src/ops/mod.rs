//! The operations on tensors, one file per family.

mod activation;
mod attention;
mod attention_options;
mod avg_pool;
mod batch_norm;
mod binary;
mod cast;
mod conv;
mod conv_options;
mod create;
mod cross_entropy;
mod ctc;
mod dropout;
mod einsum;
mod index;
mod interpolate;
mod join;
mod layer_norm;
mod linear;
mod linear_cross_entropy;
mod logical;
mod matmul;
mod max_pool;
mod moments;
mod order;
mod pad;
mod pair_loss;
mod pairs;
mod pixel_shuffle;
mod rearrange;
mod reduce;
mod reduction;
mod rotary;
mod scatter;
mod separable;
mod softmax;
mod swiglu;
mod unary;
mod unfold;
mod view;
mod window;

pub use attention_options::AttentionOptions;
pub use binary::Operand;
pub use conv_options::{ConvOptions, Padding, PerAxis};
pub use interpolate::{Interpolation, Resize};
pub use pad::PadMode;
pub use reduction::Reduction;
pub use rotary::Pairing;
pub use window::Window;

use crate::Tensor;

/// Half precisions are computed in `f32` and rounded: `op` on the widened inputs, then back to their type.
/// `None` where the inputs are not halves.
pub(crate) fn through_f32<const N: usize>(
    inputs: [&Tensor; N],
    op: impl FnOnce([&Tensor; N]) -> Tensor,
) -> Option<Tensor> {
    let half = inputs[0].dtype();
    half.is_half().then(|| {
        let wide = inputs.map(|x| x.to_dtype(crate::Dtype::F32));
        op(wide.each_ref()).to_dtype(half)
    })
}

/// Panics unless `x` holds floats.
#[track_caller]
pub(crate) fn want_float(op: &str, x: &Tensor) {
    assert!(
        x.dtype().is_float(),
        "{op}: wants floats, but the tensor of shape {:?} holds {}; see to_dtype",
        x.shape(),
        x.dtype()
    );
}

/// Panics unless `eps`, which is added to a variance, is 0 or more.
#[track_caller]
pub(crate) fn want_eps(op: &str, eps: f64) {
    assert!(eps >= 0.0, "{op}: eps must be at least 0, not {eps}");
}

/// The entries of all families; see [`crate::checks`].
#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    [
        activation::checks(),
        attention::checks(),
        avg_pool::checks(),
        batch_norm::checks(),
        binary::checks(),
        cast::checks(),
        conv::checks(),
        einsum::checks(),
        index::checks(),
        interpolate::checks(),
        join::checks(),
        linear::checks(),
        linear_cross_entropy::checks(),
        matmul::checks(),
        max_pool::checks(),
        pad::checks(),
        rearrange::checks(),
        cross_entropy::checks(),
        ctc::checks(),
        dropout::checks(),
        logical::checks(),
        moments::checks(),
        order::checks(),
        pairs::checks(),
        layer_norm::checks(),
        pair_loss::checks(),
        pixel_shuffle::checks(),
        reduce::checks(),
        rotary::checks(),
        scatter::checks(),
        softmax::checks(),
        swiglu::checks(),
        crate::tape::checks(),
        unary::checks(),
        unfold::checks(),
        view::checks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
