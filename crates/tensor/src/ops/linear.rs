//! The affine map of a layer, bias and activation fused into the product; or of what an activation gives, which is not kept.

use super::matmul::product;
use super::unary::{apply, apply_backward};
use super::want_float;
use crate::Tensor;
use crate::dtype::with_float;
use crate::precision::Precision;
use crate::shape::{Dims, Layout};
use crate::tape::{Back, record_fused};
use eras_kernels::elementwise::Unary;
use eras_kernels::linear as kernel;
use eras_kernels::matmul::Activation;

impl Tensor {
    /// The affine map of the last axis, `y = x Wᵀ + b`.
    ///
    /// Shapes: `x (.., in)`, `weight (out, in)`, `bias (out)` to `y (.., out)`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let (w, b) = (Tensor::from([[1.0f32, 2.0], [0.0, -1.0]]), Tensor::from([0.5f32, 0.0]));
    /// let y = Tensor::from([1.0f32, 1.0]).linear(&w, Some(&b));
    /// assert_eq!(y.to_vec::<f32>(), [3.5, -1.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, or the dtypes differ or are no floats.
    #[must_use]
    #[track_caller]
    pub fn linear(&self, weight: &Self, bias: Option<&Self>) -> Self {
        check("linear", self, weight, bias);
        affine("linear", self, weight, bias, Way::Plain)
    }

    /// `max(x Wᵀ + b, 0)`: [`linear`](Self::linear) and [`relu`](Self::relu) in one pass, and one pass back.
    ///
    /// # Panics
    /// As `linear`.
    #[must_use]
    #[track_caller]
    pub fn linear_relu(&self, weight: &Self, bias: Option<&Self>) -> Self {
        check("linear_relu", self, weight, bias);
        affine("linear_relu", self, weight, bias, Way::Relu)
    }

    /// `gelu(x) Wᵀ + b`: [`gelu`](Self::gelu) and [`linear`](Self::linear). Of the two only `x` is kept for the backward pass,
    /// which computes GELU again: half the memory for little time.
    ///
    /// # Panics
    /// As `linear`.
    #[must_use]
    #[track_caller]
    pub fn gelu_linear(&self, weight: &Self, bias: Option<&Self>) -> Self {
        check("gelu_linear", self, weight, bias);
        affine("gelu_linear", self, weight, bias, Way::After(Unary::Gelu))
    }

    /// As [`gelu_linear`](Self::gelu_linear), with [`gelu_tanh`](Self::gelu_tanh).
    ///
    /// # Panics
    /// As `linear`.
    #[must_use]
    #[track_caller]
    pub fn gelu_tanh_linear(&self, weight: &Self, bias: Option<&Self>) -> Self {
        check("gelu_tanh_linear", self, weight, bias);
        let way = Way::After(Unary::GeluTanh);
        affine("gelu_tanh_linear", self, weight, bias, way)
    }
}

/// What is done beside the affine map.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    /// ReLU of the result.
    Relu,
    /// An activation of `x`.
    After(Unary),
}

/// What [`Tensor::linear`] and its kin mean.
fn definition(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, way: Way) -> Tensor {
    let x = match way {
        Way::After(Unary::Gelu) => x.gelu(),
        Way::After(Unary::GeluTanh) => x.gelu_tanh(),
        Way::After(other) => unreachable!("no operation after {other:?}"),
        Way::Plain | Way::Relu => x.clone(),
    };
    let mut y = x.matmul(&w.t());
    if let Some(bias) = bias {
        y += bias;
    }
    if way == Way::Relu { y.relu() } else { y }
}

#[track_caller]
pub(super) fn check(name: &str, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) {
    want_float(name, x);
    let [out, d_in] = w.shape() else {
        panic!(
            "{name}: weight {:?} must have the shape (out, in)",
            w.shape()
        );
    };
    assert!(
        x.shape().last() == Some(d_in),
        "{name}: x {:?} must end in {d_in} to meet weight {:?}",
        x.shape(),
        w.shape()
    );
    assert!(
        x.dtype() == w.dtype(),
        "{name}: x {} meets weight {}; convert one with to_dtype",
        x.dtype(),
        w.dtype()
    );
    if let Some(bias) = bias {
        assert!(
            bias.shape() == [*out] && bias.dtype() == w.dtype(),
            "{name}: bias {} {:?} must be {} [{out}] to meet weight {:?}",
            bias.dtype(),
            bias.shape(),
            w.dtype(),
            w.shape()
        );
    }
}

fn affine(name: &'static str, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, way: Way) -> Tensor {
    if x.dtype().is_half() && matches!(way, Way::After(_)) {
        return definition(x, w, bias, way);
    }
    let dims = x.dims().with(x.rank() - 1, w.shape()[0]);
    let precision = Precision::current();
    let x_kept = match way {
        Way::After(before) => Kept::Before(x.detach(), before),
        Way::Plain | Way::Relu => Kept::Factor(x.detach()),
    };
    let right = w.detach();
    let activation = match way {
        Way::Relu => Activation::Relu,
        Way::Plain | Way::After(_) => Activation::Identity,
    };
    let left = x_kept.factor();
    let y = product(
        precision,
        dims,
        &as_rows(&left),
        &flipped(&right),
        bias,
        activation,
    );
    let rule = Rule {
        precision,
        x: x_kept,
        w: right,
        y: (way == Way::Relu).then(|| y.clone()),
    };
    match bias {
        Some(bias) => record_fused(
            name,
            y,
            [x, w, bias],
            move |[x, w, bias]| precision.run(|| definition(x, w, Some(bias), way)),
            move |b| rule.backward(b),
        ),
        None => record_fused(
            name,
            y,
            [x, w],
            move |[x, w]| precision.run(|| definition(x, w, None, way)),
            move |b| rule.backward(b),
        ),
    }
}

/// `x` for the backward pass.
enum Kept {
    /// As it was multiplied.
    Factor(Tensor),
    /// What this function gives was.
    Before(Tensor, Unary),
}

impl Kept {
    /// What was multiplied.
    fn factor(&self) -> Tensor {
        match self {
            Self::Factor(x) => x.clone(),
            Self::Before(x, before) => apply(x, *before),
        }
    }

    fn dims(&self) -> Dims {
        match self {
            Self::Factor(x) | Self::Before(x, _) => x.dims(),
        }
    }

    /// The gradient of `x`, given that of what was multiplied.
    fn before(&self, dx: Tensor) -> Tensor {
        match self {
            Self::Factor(_) => dx,
            Self::Before(x, before) => apply_backward(&dx, x, *before),
        }
    }
}

/// `(.., n)` as `(N, n)`, without history; copied only if the rows do not lie evenly.
fn as_rows(x: &Tensor) -> Tensor {
    if x.rank() == 2 {
        return x.clone();
    }
    let x = x.in_line();
    let n = x.shape()[x.rank() - 1];
    let dims = [x.shape()[..x.rank() - 1].iter().product(), n];
    x.with_layout(Layout {
        offset: x.layout().offset,
        ..Layout::contiguous(dims.into())
    })
}

/// The transpose of a matrix, without history.
fn flipped(x: &Tensor) -> Tensor {
    let Layout {
        dims,
        strides,
        offset,
    } = *x.layout();
    x.with_layout(Layout {
        dims: [dims[1], dims[0]].into(),
        strides: [strides[1], strides[0]].into(),
        offset,
    })
}

/// What the backward pass needs.
struct Rule {
    precision: Precision,
    x: Kept,
    w: Tensor,
    /// The result, if it went through a ReLU.
    y: Option<Tensor>,
}

impl Rule {
    /// The gradients of `x` and `w`, and of the bias if there is a place for one, by kernels. A product that nobody
    /// wants is not computed.
    fn backward<const N: usize>(&self, b: &Back<'_>) -> [Option<Tensor>; N] {
        let with_bias = N == 3 && b.wants(2);
        let (g, mut db) = self.before_activation(b.dy, with_bias);
        let g = as_rows(&g);
        let multiply = |dims, a: &Tensor, b: &Tensor| {
            product(self.precision, dims, a, b, None, Activation::Identity)
        };
        std::array::from_fn(|i| match i {
            0 => b.want(0, || self.x.before(multiply(self.x.dims(), &g, &self.w))),
            1 => b.want(1, || {
                multiply(self.w.dims(), &flipped(&g), &as_rows(&self.x.factor()))
            }),
            _ => db.take(),
        })
    }

    /// The gradient before the activation, and its sum over the rows, in one pass.
    fn before_activation(&self, dy: &Tensor, with_bias: bool) -> (Tensor, Option<Tensor>) {
        if dy.dtype().is_half() {
            let g = match &self.y {
                Some(y) => dy * y.gt(0.0).to_dtype(dy.dtype()),
                None => dy.clone(),
            };
            let db = with_bias.then(|| as_rows(&g).sum(0));
            return (g, db);
        }
        let out: Dims = [self.w.shape()[0]].into();
        let dy = if self.y.is_some() || with_bias {
            dy.in_line()
        } else {
            dy.clone()
        };
        let dtype = dy.dtype();
        with_float!(dtype, T => match &self.y {
            Some(y) => {
                let mut g = None;
                let db = Tensor::build::<T>(dtype, out, |db| {
                    g = Some(Tensor::build::<T>(dtype, dy.dims(), |g| {
                        kernel::relu_bias_backward(g, db, dy.data(), y.data());
                    }));
                });
                (g.expect("just built"), Some(db))
            }
            None => {
                let db = with_bias.then(|| {
                    Tensor::build::<T>(dtype, out, |db| kernel::column_sums(db, dy.data()))
                });
                (dy, db)
            }
        })
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let of = |name: &'static str, way: Way| {
        let run = move |x: &[Tensor]| match way {
            Way::Plain => x[0].linear(&x[1], x.get(2)),
            Way::Relu => x[0].linear_relu(&x[1], x.get(2)),
            Way::After(Unary::Gelu) => x[0].gelu_linear(&x[1], x.get(2)),
            Way::After(_) => x[0].gelu_tanh_linear(&x[1], x.get(2)),
        };
        let meaning = move |x: &[Tensor]| definition(&x[0], &x[1], x.get(2), way);
        let shapes: [(&[usize], usize, usize); 7] = [
            (&[4, 3], 3, 2),
            (&[3], 3, 2),
            (&[2, 5, 3], 3, 4),
            (&[0, 3], 3, 2),
            (&[2, 0], 0, 3),
            (&[1, 1], 1, 1),
            (&[130, 70], 70, 150),
        ];
        let mut check = Check::new(name);
        for (x, d_in, out) in shapes {
            let (x, w, bias) = (normal(x, 1), normal([out, d_in], 2), normal([out], 3));
            check = check
                .case([x.clone(), w.clone(), bias], run)
                .defined_by(meaning)
                .case([x, w], run)
                .defined_by(meaning);
        }
        check
    };
    vec![
        of("linear", Way::Plain)
            .bad(
                "linear: x [4, 5] must end in 3 to meet weight [2, 3]",
                || Tensor::zeros([4, 5]).linear(&Tensor::zeros([2, 3]), None),
            )
            .bad(
                "linear: weight [2, 3, 1] must have the shape (out, in)",
                || Tensor::zeros([4, 3]).linear(&Tensor::zeros([2, 3, 1]), None),
            )
            .bad(
                "linear: bias f32 [3] must be f32 [2] to meet weight [2, 3]",
                || Tensor::zeros([3]).linear(&Tensor::zeros([2, 3]), Some(&Tensor::zeros([3]))),
            )
            .bad("linear: x f64 meets weight f32", || {
                Tensor::from([1.0]).linear(&Tensor::zeros([2, 1]), None)
            })
            .bad("linear: x [] must end in 3", || {
                Tensor::zeros([]).linear(&Tensor::zeros([2, 3]), None)
            }),
        of("linear_relu", Way::Relu).bad(
            "linear_relu: x [4, 5] must end in 3 to meet weight [2, 3]",
            || Tensor::zeros([4, 5]).linear_relu(&Tensor::zeros([2, 3]), None),
        ),
        of("gelu_linear", Way::After(Unary::Gelu)).bad(
            "gelu_linear: x [4, 5] must end in 3 to meet weight [2, 3]",
            || Tensor::zeros([4, 5]).gelu_linear(&Tensor::zeros([2, 3]), None),
        ),
        of("gelu_tanh_linear", Way::After(Unary::GeluTanh)).bad(
            "gelu_tanh_linear: x [4, 5] must end in 3 to meet weight [2, 3]",
            || Tensor::zeros([4, 5]).gelu_tanh_linear(&Tensor::zeros([2, 3]), None),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_by_hand() {
        let x = Tensor::from([[1.0f32, 2.0], [-1.0, 0.0]]);
        let w = Tensor::from([[1.0f32, 1.0], [0.0, -1.0]]).requires_grad();
        let bias = Tensor::from([0.5f32, 1.0]).requires_grad();
        let y = x.linear_relu(&w, Some(&bias)); // before the ReLU (3.5, -1; -0.5, 1)
        assert_eq!(y.to_vec::<f32>(), [3.5, 0.0, 0.0, 1.0]);
        let grads = y.backward_with(&Tensor::from([[1.0f32, 10.0], [100.0, 1000.0]]));
        assert_eq!(grads[&bias].to_vec::<f32>(), [1.0, 1000.0]);
        assert_eq!(grads[&w].to_vec::<f32>(), [1.0, 2.0, -1000.0, 0.0]);
        assert_eq!(grads.len(), 2, "x wants none");
    }

    #[test]
    fn what_gelu_gives_is_not_kept() {
        let rng = &mut crate::Rng::new(0);
        let x = Tensor::randn([50, 64], rng).requires_grad();
        let w = Tensor::randn([2, 64], rng).requires_grad();
        let before = crate::count::bytes();
        let y = x.gelu_linear(&w, None);
        assert_eq!(crate::count::bytes() - before, 4 * 50 * 2); // y
        assert_eq!(y.sum(..).backward().len(), 2);
    }
}
