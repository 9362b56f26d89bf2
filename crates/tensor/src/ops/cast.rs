//! Changes of type.

use crate::Tensor;
use crate::dtype::{Dtype, with_stored};
use crate::tape::record;
use eras_kernels::buffer::Plain;
use eras_kernels::elementwise::map;
use half::{bf16, f16};

/// A storage type that converts through `f64` or, exactly, through itself.
trait Cast: Plain {
    fn from_f64(x: f64) -> Self;
    fn into_f64(self) -> f64;
}

macro_rules! cast {
    ($($t:ty: $from:expr, $into:expr;)*) => { $(
        impl Cast for $t {
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                $from(x)
            }
            #[inline(always)]
            fn into_f64(self) -> f64 {
                $into(self)
            }
        }
    )* };
}
cast! {
    f32: |x| x as Self, f64::from;
    f64: |x| x, |x| x;
    bf16: |x| Self::from_f32(x as f32), Self::to_f64;
    f16: |x| Self::from_f32(x as f32), Self::to_f64;
    i64: |x| x as Self, |x| x as f64;
    u8: |x| x as Self, f64::from;
}

impl Tensor {
    /// The elements converted to `dtype`: floats are rounded to the nearest, floats to whole numbers toward zero
    /// (saturating), anything but 0 is true. The gradient is converted back; whole numbers have none.
    #[must_use]
    pub fn to_dtype(&self, dtype: Dtype) -> Self {
        let from = self.dtype();
        if from == dtype {
            return self.clone();
        }
        let x = self.detach().contiguous();
        let y = if dtype == Dtype::Bool {
            with_stored!(from, X => convert::<X, u8>(&x, dtype, |x| u8::from(x.into_f64() != 0.0)))
        } else if let (Dtype::U8, Dtype::F32) = (from, dtype) {
            convert::<u8, f32>(&x, dtype, f32::from)
        } else if let (Dtype::BF16, Dtype::F32) = (from, dtype) {
            convert::<bf16, f32>(&x, dtype, bf16::to_f32)
        } else if let (Dtype::F32, Dtype::BF16) = (from, dtype) {
            convert::<f32, bf16>(&x, dtype, bf16::from_f32)
        } else {
            with_stored!(from, X => with_stored!(dtype, Y => convert::<X, Y>(&x, dtype, |x| Y::from_f64(x.into_f64()))))
        };
        if !(from.is_float() && dtype.is_float()) {
            return y;
        }
        record("to_dtype", y, [self], move |b| [Some(b.dy.to_dtype(from))])
    }
}

fn convert<X: Plain, Y: Plain>(
    x: &Tensor,
    dtype: Dtype,
    f: impl Fn(X) -> Y + Copy + Sync,
) -> Tensor {
    Tensor::build::<Y>(dtype, x.dims(), |y| map(y, x.data(), f))
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    vec![
        Check::new("to_dtype")
            .case([normal([2, 3], 1)], |x| {
                x[0].to_dtype(Dtype::F64).to_dtype(x[0].dtype())
            })
            .case([Tensor::from([0i64, 3, -4])], |x| {
                x[0].to_dtype(Dtype::Bool)
            })
            .case([Tensor::from([200u8, 3])], |x| x[0].to_dtype(Dtype::I64)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_cut_toward_zero_and_saturate() {
        let x = Tensor::from([-1.9f32, 2.9, 300.0, f32::NAN]);
        assert_eq!(x.to_dtype(Dtype::I64).to_vec::<i64>(), [-1, 2, 300, 0]);
        assert_eq!(x.to_dtype(Dtype::U8).to_vec::<u8>(), [0, 2, 255, 0]);
        assert_eq!(x.to_dtype(Dtype::Bool).to_vec::<bool>(), [true; 4]);
    }

    #[test]
    fn halves_round_to_the_nearest() {
        let x = Tensor::from([1.0f32 + 1.0 / 512.0]).to_dtype(Dtype::BF16);
        assert_eq!(x.to_vec::<bf16>(), [bf16::from_f32(1.0)]);
    }
}
