//! Linear maps along the last axes, each by a sparse matrix of its own: what average pooling and interpolation share.

use super::window::{three, with_last};
use crate::Tensor;
use crate::dtype::{Dtype, with_float};
use crate::tape::record;
use eras_kernels::separable::{self, Sparse};
use std::sync::{Arc, OnceLock};

/// The matrices of the last `N` axes, and their transposes once they are wanted.
struct Matrices<const N: usize> {
    name: &'static str,
    there: [Sparse; N],
    back: OnceLock<[Sparse; N]>,
}

/// From `x` to the result, or from its gradient to that of `x`.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    There,
    Back,
}

impl<const N: usize> Matrices<N> {
    fn axes(&self, way: Way) -> &[Sparse; N] {
        match way {
            Way::There => &self.there,
            Way::Back => self
                .back
                .get_or_init(|| self.there.each_ref().map(|axis| axis.transposed())),
        }
    }
}

/// `x` mapped to these lengths of the last axes. The matrices are asked for when the memory of the result is there.
#[track_caller]
pub(super) fn mapped<const N: usize>(
    name: &'static str,
    x: &Tensor,
    sides: [usize; N],
    matrices: impl FnOnce() -> [Sparse; N],
) -> Tensor {
    if x.dtype().is_half() {
        return mapped(name, &x.to_dtype(Dtype::F32), sides, matrices).to_dtype(x.dtype());
    }
    let mut kept = None;
    let y = build(x, sides, || {
        let matrices = Arc::new(Matrices {
            name,
            there: matrices(),
            back: OnceLock::new(),
        });
        kept.insert(matrices).axes(Way::There)
    });
    on_tape(y, x, kept.expect("just asked for"), Way::There)
}

/// The map, or its transpose, of `x` again.
fn again<const N: usize>(x: &Tensor, matrices: Arc<Matrices<N>>, way: Way) -> Tensor {
    let axes = matrices.axes(way);
    let y = build(x, axes.each_ref().map(|axis| axis.rows()), || axes);
    on_tape(y, x, matrices, way)
}

fn on_tape<const N: usize>(y: Tensor, x: &Tensor, matrices: Arc<Matrices<N>>, way: Way) -> Tensor {
    let other = match way {
        Way::There => Way::Back,
        Way::Back => Way::There,
    };
    record(matrices.name, y, [x], move |b| {
        [Some(again(b.dy, matrices.clone(), other))]
    })
}

#[track_caller]
fn build<'a, const N: usize>(
    x: &Tensor,
    sides: [usize; N],
    axes: impl FnOnce() -> &'a [Sparse; N],
) -> Tensor {
    let outer = x.shape()[..x.rank() - N].iter().product();
    let line = x.in_line();
    with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), with_last(x, sides), |y| {
        let (axes, one) = (axes(), Sparse::identity(1));
        separable::map(y, line.data(), outer, three(&axes.each_ref(), &&one));
    }))
}
