//! In what numbers the products of `f32` matrices multiply.

use crate::Dtype;
use std::cell::Cell;

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision(Dtype::F32)) };
}

/// Runs `f` with the matrix products of `f32` tensors ([`Tensor::matmul`](crate::Tensor::matmul),
/// [`Tensor::linear`](crate::Tensor::linear), [`Tensor::einsum`](crate::Tensor::einsum))
/// multiplying in `dtype`, which is `F32` or `BF16`; so will their backward passes, whenever they run.
///
/// In `BF16` both factors are rounded to 8 bits of mantissa, their products are exact, and the sums are `f32`, as is the
/// result. Nothing else is computed differently: weights, sums, norms, losses and the optimizer stay in `f32`, so
/// that no loss needs to be scaled. On a processor with AVX512-BF16 a product takes half the time; elsewhere the
/// numbers are the same and nothing is gained. (Mixed precision: Micikevicius et al. 2017, arXiv:1710.03740; bfloat16:
/// Kalamkar et al. 2019, arXiv:1905.12322. JAX calls the setting `jax_default_matmul_precision`.)
///
/// ```
/// use eras::prelude::*;
/// use eras::matmul_precision;
///
/// let x = Tensor::from([[1.0f32 + 1.0 / 512.0]]);
/// let y = matmul_precision(Dtype::BF16, || x.matmul(&x));
/// assert_eq!((y.item(), y.dtype()), (1.0, Dtype::F32));
/// assert_ne!(x.matmul(&x).item(), 1.0);
/// ```
///
/// # Panics
/// If `dtype` is neither `F32` nor `BF16`.
#[track_caller]
pub fn matmul_precision<R>(dtype: Dtype, f: impl FnOnce() -> R) -> R {
    assert!(
        matches!(dtype, Dtype::F32 | Dtype::BF16),
        "matmul_precision: wanted f32 or bf16, got {dtype}"
    );
    Precision(dtype).run(f)
}

/// What [`matmul_precision`] asked for, kept by rules for the backward pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Precision(Dtype);

impl Precision {
    pub(crate) fn current() -> Self {
        PRECISION.get()
    }

    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        struct Back(Precision);
        impl Drop for Back {
            fn drop(&mut self) {
                PRECISION.set(self.0);
            }
        }
        let _back = Back(PRECISION.replace(self));
        f()
    }

    /// Whether products of such tensors round their factors to bf16.
    pub(crate) fn rounds(self, dtype: Dtype) -> bool {
        (self.0, dtype) == (Dtype::BF16, Dtype::F32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, Tensor, checkpoint};

    /// Loss and gradients of a small network, which come from products of all kinds.
    fn step(precision: Dtype) -> Vec<f32> {
        let rng = &mut Rng::new(0);
        let w1 = Tensor::randn([20, 30], rng).requires_grad();
        let w2 = Tensor::randn([7, 20], rng).requires_grad();
        let x = Tensor::randn([2, 5, 30], rng);
        let loss = matmul_precision(precision, || {
            let h = checkpoint(&[&x, &w1], |x| x[0].linear_relu(&x[1], None));
            let y = h.matmul(&w2.t());
            let batched = y.matmul(&y.transpose(1, 2));
            batched.sqr().mean(..)
        });
        let grads = loss.backward(); // outside of the scope
        [&loss, &grads[&w1], &grads[&w2]]
            .into_iter()
            .flat_map(Tensor::to_vec::<f32>)
            .collect()
    }

    #[test]
    fn bf16_products_are_near_and_not_the_same_forward_and_backward() {
        let (wide, narrow) = (step(Dtype::F32), step(Dtype::BF16));
        let largest = wide.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let off = |(a, b): (&f32, &f32)| (a - b).abs() / largest;
        let errors: Vec<f32> = wide.iter().zip(&narrow).map(off).collect();
        assert!(errors.iter().all(|e| *e < 0.03), "{errors:?}");
        let differ = wide.iter().zip(&narrow).filter(|(a, b)| a != b).count();
        assert!(differ > wide.len() / 2, "only {differ} differ");
        assert_eq!(step(Dtype::F32), wide, "the setting ends with its scope");
    }

    #[test]
    fn factors_are_rounded_once_and_sums_are_f32() {
        // 1 + 2⁻⁹ rounds to 1 in bf16; 300 ones sum to 300, which bf16 cannot hold.
        let x = Tensor::full([1, 300], 1.0 + 1.0 / 512.0, Dtype::F32);
        let y = matmul_precision(Dtype::BF16, || x.linear(&x, None));
        assert_eq!(y.item(), 300.0);
        let sum = matmul_precision(Dtype::BF16, || x.sum(..));
        assert_eq!(sum.item(), 300.0 + 300.0 / 512.0);
    }

    #[test]
    #[should_panic(expected = "matmul_precision: wanted f32 or bf16, got f16")]
    fn other_types_are_refused() {
        matmul_precision(Dtype::F16, || ());
    }
}
