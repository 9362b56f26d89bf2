//! The gated unit of the Llama family.

use super::{through_f32, want_float};
use crate::Tensor;
use crate::dtype::with_float;
use crate::tape::record_fused;
use eras_kernels::swiglu as kernel;

impl Tensor {
    /// SwiGLU: `silu(self) · up`, one projection as the gate of another (Shazeer 2020, arXiv:2002.05202), in one pass, and one
    /// back.
    ///
    /// Shapes: both the same, as the result.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let (gate, up) = (Tensor::from([0.0f32, 2.0]), Tensor::from([5.0f32, -1.0]));
    /// let y = gate.swiglu(&up).to_vec::<f32>();
    /// assert_eq!(y[0], 0.0);
    /// assert!((y[1] + 1.7616).abs() < 1e-4); // - 2 σ(2)
    /// ```
    ///
    /// # Panics
    /// If the shapes or dtypes differ, or the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn swiglu(&self, up: &Self) -> Self {
        let op = "swiglu";
        want_float(op, self);
        assert!(
            self.shape() == up.shape() && self.dtype() == up.dtype(),
            "{op}: gate {} {:?} and up {} {:?} must be alike",
            self.dtype(),
            self.shape(),
            up.dtype(),
            up.shape()
        );
        if let Some(y) = through_f32([self, up], |[gate, up]| gate.swiglu(up)) {
            return y;
        }
        let (gate, up_line) = (self.in_line(), up.in_line());
        let dtype = self.dtype();
        let y = with_float!(dtype, T => Self::build::<T>(dtype, self.dims(), |y| {
            kernel::forward(y, gate.data(), up_line.data());
        }));
        let (gate, up_line) = (gate.detach(), up_line.detach());
        record_fused(
            op,
            y,
            [self, up],
            |[gate, up]| definition(gate, up),
            move |b| {
                let dy = b.dy.in_line();
                let mut dup = None;
                let dgate = with_float!(dtype, T => Self::build::<T>(dtype, gate.dims(), |da| {
                    dup = Some(Self::build::<T>(dtype, gate.dims(), |db| {
                        kernel::backward(da, db, dy.data(), gate.data(), up_line.data());
                    }));
                }));
                [b.want(0, || dgate), dup.filter(|_| b.wants(1))]
            },
        )
    }
}

/// What [`Tensor::swiglu`] means.
fn definition(gate: &Tensor, up: &Tensor) -> Tensor {
    gate * gate.sigmoid() * up
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let shapes: [&[usize]; 5] = [&[], &[0, 3], &[7], &[2, 3, 5], &[3, 7001]];
    let check = shapes.iter().fold(Check::new("swiglu"), |check, shape| {
        check
            .case([normal(*shape, 1) * 3.0, normal(*shape, 2)], |x| {
                x[0].swiglu(&x[1])
            })
            .defined_by(|x| definition(&x[0], &x[1]))
    });
    vec![
        check
            .bad(
                "swiglu: gate f32 [2, 3] and up f32 [3] must be alike",
                || Tensor::zeros([2, 3]).swiglu(&Tensor::zeros([3])),
            )
            .bad("swiglu: gate f32 [1] and up f64 [1] must be alike", || {
                Tensor::zeros([1]).swiglu(&Tensor::from([1.0]))
            }),
    ]
}
