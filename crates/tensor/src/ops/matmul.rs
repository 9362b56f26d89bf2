//! Matrix products.

use super::binary::sum_to;
use super::want_float;
use crate::dtype::{Dtype, with_float};
use crate::precision::Precision;
use crate::shape::{Dims, broadcast};
use crate::tape::record;
use crate::{Tensor, count};
use eras_kernels::buffer::Plain;
use eras_kernels::matmul::{self as kernel, Activation, Epilogue, HalfFloat, Mat};
use half::{bf16, f16};

/// The matrix in the last two dimensions; in a batch, the first one.
fn mat<T: Plain>(x: &Tensor) -> Mat<'_, T> {
    let (view, rank) = (x.view::<T>(), x.rank());
    Mat {
        // An empty view may begin behind its storage.
        data: if x.is_empty() {
            &[]
        } else {
            &view.data[view.offset..]
        },
        row_stride: view.strides[rank - 2],
        col_stride: view.strides[rank - 1],
    }
}

/// `activation(a b + bias)` of matrices `a (m, k)` and `b (k, n)` that fit, as a tensor of this shape, without history.
pub(super) fn product(
    precision: Precision,
    dims: Dims,
    a: &Tensor,
    b: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Tensor {
    let size = (a.shape()[0], a.shape()[1], b.shape()[1]);
    count::product(1, size);
    // Bias and sum are f32 where the operands are narrower.
    let sums = if a.dtype().is_half() {
        Dtype::F32
    } else {
        a.dtype()
    };
    let bias = bias.map(|bias| bias.detach().to_dtype(sums).contiguous());
    let dtype = a.dtype();
    match dtype {
        Dtype::BF16 => narrow_product::<bf16>(dims, size, a, b, bias.as_ref(), activation),
        Dtype::F16 => narrow_product::<f16>(dims, size, a, b, bias.as_ref(), activation),
        _ => with_float!(dtype, T => Tensor::build::<T>(dtype, dims, |y| {
            let bias = bias.as_ref().map(Tensor::data::<T>);
            let epilogue = Epilogue { bias, activation, ..Epilogue::default() };
            if precision.rounds(dtype) {
                kernel::matmul_rounded(y, size, mat(a), mat(b), &epilogue);
            } else {
                kernel::matmul(y, size, mat(a), mat(b), &epilogue);
            }
        })),
    }
}

fn narrow_product<H: HalfFloat + Plain>(
    dims: Dims,
    size: (usize, usize, usize),
    a: &Tensor,
    b: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Tensor {
    Tensor::build::<H>(a.dtype(), dims, |y| {
        let bias = bias.map(Tensor::data::<f32>);
        let epilogue = Epilogue {
            bias,
            activation,
            ..Epilogue::default()
        };
        kernel::matmul_half_narrow(y, size, mat(a), mat(b), &epilogue);
    })
}

/// The products of all matrices of `a (batch, m, k)` and `b (batch, k, n)`, without history.
#[track_caller]
fn products(precision: Precision, batch: &[usize], a: &Tensor, b: &Tensor) -> Tensor {
    let dtype = a.dtype();
    let (m, k) = (a.shape()[a.rank() - 2], a.shape()[a.rank() - 1]);
    let n = b.shape()[b.rank() - 1];
    let (dims, size) = (Dims::from([batch, &[m, n]].concat()), (m, k, n));
    if dims.contains(&0) || k == 0 {
        return Tensor::full(dims, 0.0, dtype);
    }
    count::product(batch.iter().product(), size);
    let a = a.detach().expand([batch, &[m, k]].concat());
    let b = b.detach().expand([batch, &[k, n]].concat());
    let offsets = offsets(batch, &a, &b);
    match dtype {
        Dtype::BF16 => narrow_products::<bf16>(dims, size, &a, &b, &offsets),
        Dtype::F16 => narrow_products::<f16>(dims, size, &a, &b, &offsets),
        _ => with_float!(dtype, T => Tensor::build::<T>(dtype, dims, |y| {
            if precision.rounds(dtype) {
                kernel::matmul_rounded_batched(y, size, mat(&a), mat(&b), &offsets);
            } else {
                kernel::matmul_batched(y, size, mat(&a), mat(&b), &offsets, &Epilogue::default());
            }
        })),
    }
}

fn narrow_products<H: HalfFloat + Plain>(
    dims: Dims,
    size: (usize, usize, usize),
    a: &Tensor,
    b: &Tensor,
    offsets: &[(usize, usize)],
) -> Tensor {
    let (whole_a, whole_b) = (mat::<H>(a), mat::<H>(b));
    Tensor::build::<H>(a.dtype(), dims, |y| {
        for (y, &(i, j)) in y.chunks_exact_mut(size.0 * size.2).zip(offsets) {
            let a = Mat {
                data: &whole_a.data[i..],
                ..whole_a
            };
            let b = Mat {
                data: &whole_b.data[j..],
                ..whole_b
            };
            kernel::matmul_half_narrow(y, size, a, b, &Epilogue::default());
        }
    })
}

/// Where the matrices of a batch begin, counted from the first.
#[track_caller]
fn offsets(batch: &[usize], a: &Tensor, b: &Tensor) -> Vec<(usize, usize)> {
    let count = batch.iter().product();
    let mut offsets = Vec::new();
    assert!(
        offsets.try_reserve_exact(count).is_ok(),
        "out of memory: matmul of {count} pairs of matrices"
    );
    offsets.push((0, 0));
    for (d, &len) in batch.iter().enumerate().rev() {
        let (sa, sb) = (a.layout().strides[d], b.layout().strides[d]);
        let inner = offsets.len();
        for at in 1..len {
            for i in 0..inner {
                let (a, b) = offsets[i];
                offsets.push((a + at * sa, b + at * sb));
            }
        }
    }
    offsets
}

impl Tensor {
    /// The matrix product, by the rules of NumPy and PyTorch.
    ///
    /// Shapes: `(.., m, k)` times `(.., k, n)` is `(.., m, n)`, the dimensions in front being a batch that
    /// broadcasts. A vector on the left is a row, one on the right a column, and its dimension is dropped from the
    /// result. Transposed operands are not copied. 16-bit floats are summed in `f32`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.matmul(&a.t()).to_vec::<f32>(), [5.0, 11.0, 11.0, 25.0]);
    /// assert_eq!(a.matmul(&Tensor::from([1.0f32, -1.0])).to_vec::<f32>(), [-1.0, -1.0]);
    /// ```
    ///
    /// # Panics
    /// If an operand is a single number, the inner lengths differ, the batches do not broadcast, or the dtypes
    /// differ or are no floats.
    #[must_use]
    #[track_caller]
    pub fn matmul(&self, other: &Self) -> Self {
        want_float("matmul", self);
        let (a, b) = (self.shape(), other.shape());
        assert!(
            self.dtype() == other.dtype(),
            "matmul: {} {a:?} meets {} {b:?}; convert one with to_dtype",
            self.dtype(),
            other.dtype()
        );
        assert!(
            !a.is_empty() && !b.is_empty(),
            "matmul: {a:?} times {b:?}: a single number is no matrix; multiply with `*`"
        );
        let inner = (a[a.len() - 1], b[b.len().max(2) - 2]);
        assert!(
            inner.0 == inner.1,
            "matmul: {a:?} times {b:?}: the inner lengths {} and {} differ",
            inner.0,
            inner.1
        );
        let batch = |s: &[usize]| Dims::new(&s[..s.len().max(2) - 2]);
        let Some(batch) = broadcast(&batch(a), &batch(b)) else {
            panic!(
                "matmul: {a:?} times {b:?}: the batches {:?} and {:?} do not broadcast: a dimension must be equal or 1",
                batch(a),
                batch(b)
            );
        };
        multiply(self, other, batch)
    }
}

/// [`Tensor::matmul`] of operands that fit.
fn multiply(a: &Tensor, b: &Tensor, batch: Dims) -> Tensor {
    if a.rank() == 1 {
        return multiply(&a.unsqueeze(0), b, batch).squeeze(batch.len());
    }
    if b.rank() == 1 {
        return multiply(a, &b.unsqueeze(1), batch).squeeze(batch.len() + 1);
    }
    let (k, n) = (a.shape()[a.rank() - 1], b.shape()[b.rank() - 1]);
    if b.rank() == 2 && a.rank() > 2 {
        // One matrix for the whole batch: all rows at once, and in the gradient one long sum.
        let rows = a.len().checked_div(k).unwrap_or(0);
        if rows > 0 {
            let y = multiply(&a.reshape([rows, k]), b, [].into());
            return y.reshape([&a.shape()[..a.rank() - 1], &[n]].concat());
        }
    }
    let precision = Precision::current();
    let y = if a.rank() == 2 && b.rank() == 2 {
        let dims = [a.shape()[0], n].into();
        product(precision, dims, a, b, None, Activation::Identity)
    } else {
        products(precision, &batch, a, b)
    };
    let (x, z) = (a.clone(), b.clone());
    record("matmul", y, [a, b], move |g| {
        precision.run(|| {
            [
                g.want(0, || sum_to(&g.dy.matmul(&z.t()), &x.dims())),
                g.want(1, || sum_to(&x.t().matmul(g.dy), &z.dims())),
            ]
        })
    })
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let of = |check: Check, a: &[usize], b: &[usize]| {
        check.case([normal(a, 1), normal(b, 2)], |x| x[0].matmul(&x[1]))
    };
    /// Products and sums, one by one.
    fn definition(a: &Tensor, b: &Tensor) -> Tensor {
        (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
    }
    let shapes: [(&[usize], &[usize]); 12] = [
        (&[4], &[4]),
        (&[3, 4], &[4]),
        (&[4], &[4, 3]),
        (&[4], &[2, 4, 3]),
        (&[2, 3, 4], &[4]),
        (&[2, 3, 4], &[4, 5]),
        (&[3, 4], &[2, 4, 5]),
        (&[3, 0], &[0, 2]),
        (&[2, 0, 3], &[3, 2]),
        (&[2, 3, 0], &[0, 2]),
        (&[0, 3, 2], &[2, 1]),
        (&[1, 1], &[1, 1]),
    ];
    let check = shapes
        .iter()
        .fold(Check::new("matmul"), |check, (a, b)| of(check, a, b));
    vec![
        of(check, &[70, 90], &[90, 130])
            .defined_by(|x| definition(&x[0], &x[1]))
            .case([normal([3, 1, 4, 5], 1), normal([2, 5, 3], 2)], |x| {
                x[0].matmul(&x[1])
            })
            .defined_by(|x| definition(&x[0], &x[1]))
            .case([normal([5, 4], 1), normal([3, 5], 2)], |x| {
                x[0].t().matmul(&x[1].t())
            })
            .defined_by(|x| definition(&x[0].t(), &x[1].t()))
            .case([normal([3, 3], 1)], |x| x[0].matmul(&x[0]))
            .case([normal([2, 5, 4, 3], 1), normal([2, 5, 4, 3], 2)], |x| {
                // Heads, as in attention.
                x[0].transpose(1, 2)
                    .matmul(&x[1].transpose(1, 2).transpose(2, 3))
            })
            .bad(
                "matmul: [2, 3] times [4, 5]: the inner lengths 3 and 4 differ",
                || Tensor::zeros([2, 3]).matmul(&Tensor::zeros([4, 5])),
            )
            .bad(
                "matmul: [2, 1, 3] times [3, 3, 1]: the batches [2] and [3] do not broadcast",
                || Tensor::zeros([2, 1, 3]).matmul(&Tensor::zeros([3, 3, 1])),
            )
            .bad("matmul: [] times [3]: a single number is no matrix", || {
                Tensor::zeros([]).matmul(&Tensor::zeros([3]))
            })
            .bad("matmul: f32 [2] meets f64 [2]", || {
                Tensor::zeros([2]).matmul(&Tensor::from([1.0, 2.0]))
            })
            .bad("matmul: wants floats", || {
                Tensor::arange(2).matmul(&Tensor::arange(2))
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_transposed_views_by_hand() {
        let a = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let b = Tensor::from([[1.0f32, 0.0], [0.0, 2.0]]);
        // aᵀ b = (1, 8; 2, 10; 3, 12)
        let y = a.t().matmul(&b);
        assert_eq!(y.to_vec::<f32>(), [1.0, 8.0, 2.0, 10.0, 3.0, 12.0]);
    }

    #[test]
    fn an_empty_view_behind_its_storage_is_no_harm() {
        let x = Tensor::zeros([3, 5]).contiguous().narrow(0, 3, 0);
        let x = x.narrow(1, 2, 3);
        assert_eq!(x.t().matmul(&x).to_vec::<f32>(), [0.0; 9]);
    }

    #[test]
    fn only_the_wanted_gradient_is_there() {
        let a = Tensor::from([[1.0f32, 2.0]]).requires_grad();
        let b = Tensor::from([[3.0f32], [4.0]]);
        let grads = a.matmul(&b).backward();
        assert_eq!(grads[&a].to_vec::<f32>(), [3.0, 4.0]);
        assert_eq!(grads.len(), 1);
    }

    #[test]
    fn sums_of_bf16_are_kept_in_f32() {
        // 256 + 1 is 256 in bf16, but a sum of 512 ones is 512.
        let ones = Tensor::full([1, 512], 1.0, Dtype::BF16);
        assert_eq!(ones.matmul(&ones.t()).item(), 512.0);
    }
}
