//! Cross entropy of the logits of an affine map, without all of the logits at once.

use super::attention::wanted;
use super::cross_entropy::{self as plain, Classes};
use super::linear::check;
use super::{Reduction, through_f32};
use crate::dtype::{Dtype, with_float};
use crate::precision::Precision;
use crate::tape::{record_fused, tracked};
use crate::{Tensor, count};
use eras_kernels::Float;
use eras_kernels::cross_entropy::Labels;
use eras_kernels::linear_cross_entropy::{self as kernel, Gradients, Inputs};
use eras_kernels::reduce;

impl Tensor {
    /// [`linear`](Self::linear) and [`cross_entropy`](Self::cross_entropy) in one: the loss of a model whose output is an
    /// affine map to many classes, as a vocabulary has. The logits are computed for some rows at a time and never kept; what
    /// leads back is computed on the way there, and takes no product more.
    ///
    /// Shapes: `x (.., in)`, `weight (V, in)`, `bias (V)`, `targets (..)` class numbers in `i64`, to a single number, or the
    /// loss of each row if `reduction` is [`Reduction::None`] (for which all logits are computed at once). `ignore` and
    /// `smoothing` as in `cross_entropy`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let rng = &mut Rng::new(0);
    /// let (x, w) = (Tensor::randn([2, 5, 8], rng), Tensor::zeros([100, 8]));
    /// let targets = Tensor::from([[1i64, 2, 3, 4, 5], [6, 7, 8, 9, 0]]);
    /// let loss = x.linear_cross_entropy(&w, None, &targets, None, 0.0, Reduction::Mean);
    /// assert!((loss.item() - 100f64.ln()).abs() < 1e-5);
    /// ```
    ///
    /// # Panics
    /// If shapes or dtypes do not fit, or a class number is out of range.
    #[must_use]
    #[track_caller]
    pub fn linear_cross_entropy(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        targets: &Self,
        ignore: Option<i64>,
        smoothing: f64,
        reduction: Reduction,
    ) -> Self {
        let op = "linear_cross_entropy";
        check(op, self, weight, bias);
        let (rows, classes) = (&self.shape()[..self.rank() - 1], weight.shape()[0]);
        assert!(
            classes > 0,
            "{op}: weight {:?} must have at least one class",
            weight.shape()
        );
        assert!(
            targets.dtype() == Dtype::I64 && targets.shape() == rows,
            "{op}: x {} {:?} wants targets i64 {rows:?} (class numbers), but these are {} {:?}",
            self.dtype(),
            self.shape(),
            targets.dtype(),
            targets.shape()
        );
        plain::want_smoothing(op, smoothing);
        plain::want_classes(op, ("weight", weight, 0), targets, ignore);
        let again = |x: &Self, w: &Self, bias: Option<&Self>| {
            x.linear_cross_entropy(w, bias, targets, ignore, smoothing, reduction)
        };
        let narrow = match bias {
            Some(bias) => through_f32([self, weight, bias], |[x, w, b]| again(x, w, Some(b))),
            None => through_f32([self, weight], |[x, w]| again(x, w, None)),
        };
        if let Some(y) = narrow {
            return y;
        }
        let classes = Classes::new(targets, None, ignore, smoothing);
        if reduction == Reduction::None {
            return definition(self, weight, bias, &classes, reduction);
        }
        let call = Call {
            precision: Precision::current(),
            factor: reduction.factor(classes.total()),
            classes,
            bias: bias.map(|bias| bias.detach().contiguous()),
        };
        match bias {
            Some(bias) => call.run(op, reduction, [self, weight, bias]),
            None => call.run(op, reduction, [self, weight]),
        }
    }
}

/// What [`Tensor::linear_cross_entropy`] means.
fn definition(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    classes: &Classes,
    reduction: Reduction,
) -> Tensor {
    let logits = x.linear(w, bias);
    let logits = logits.reshape([classes.labels.len(), w.shape()[0]]); // (N, V)
    let loss = plain::definition(
        &logits,
        &classes.written_out(&logits),
        reduction,
        classes.total(),
    );
    match reduction {
        Reduction::None => loss.reshape(classes.labels.dims()),
        _ => loss,
    }
}

/// A call of the kernel.
struct Call {
    precision: Precision,
    /// What the sum of the losses is multiplied by.
    factor: f64,
    classes: Classes,
    bias: Option<Tensor>,
}

impl Call {
    fn run<const N: usize>(
        self,
        op: &'static str,
        reduction: Reduction,
        inputs: [&Tensor; N],
    ) -> Tensor {
        let wants = tracked(&inputs).then(|| inputs.map(Tensor::is_tracked));
        let factors = [0, 1].map(|i| inputs[i].detach().contiguous());
        let dtype = inputs[0].dtype();
        let (loss, gradients) =
            with_float!(dtype, T => self.compute::<T, N>(dtype, &factors, inputs, wants));
        let Self {
            precision, classes, ..
        } = self;
        record_fused(
            op,
            loss,
            inputs,
            move |all| {
                precision.run(|| definition(&all[0], &all[1], all.get(2), &classes, reduction))
            },
            move |b| {
                std::array::from_fn(|i| {
                    b.want(i, || {
                        let gradient = gradients[i].as_ref().expect("computed for what is tracked");
                        // It is 1 where the loss itself is differentiated.
                        if b.dy.item() == 1.0 {
                            gradient.clone()
                        } else {
                            gradient * b.dy
                        }
                    })
                })
            },
        )
    }

    /// The loss, and the gradients of the tracked ones of `x`, `w` and the bias.
    fn compute<T: Float, const N: usize>(
        &self,
        dtype: Dtype,
        [x, w]: &[Tensor; 2],
        inputs: [&Tensor; N],
        wants: Option<[bool; N]>,
    ) -> (Tensor, [Option<Tensor>; N]) {
        let n = w.shape()[0];
        let given = Inputs {
            x: x.data::<T>(),
            w: w.data::<T>(),
            bias: self.bias.as_ref().map(Tensor::data::<T>),
            labels: Labels {
                labels: self.classes.labels.data(),
                ignore: self.classes.ignore,
                weight: None,
                smoothing: T::of(self.classes.smoothing),
            },
            rounded: self.precision.rounds(dtype),
        };
        let size = (self.classes.labels.len(), w.shape()[1], n);
        count::product(1, size);
        let mut gradients = [const { None }; N];
        let losses = Tensor::build::<T>(dtype, [self.classes.labels.len()].into(), |loss| {
            let Some(wants) = wants else {
                return kernel::forward(loss, &given, n);
            };
            for _ in wants[..2].iter().filter(|wanted| **wanted) {
                count::product(1, size);
            }
            let place = |i: usize, fill: &mut dyn FnMut(Option<&mut [T]>)| {
                let wants = wants.get(i).is_some_and(|wants| *wants);
                wanted(wants, dtype, inputs[i.min(N - 1)].dims(), fill)
            };
            let (mut dw, mut db) = (None, None);
            let dx = place(0, &mut |mut dx| {
                dw = place(1, &mut |mut dw| {
                    db = place(2, &mut |mut db| {
                        let mut to = Gradients {
                            factor: T::of(self.factor),
                            dx: dx.as_deref_mut(),
                            dw: dw.as_deref_mut(),
                            db: db.as_deref_mut(),
                        };
                        kernel::forward_backward(loss, &mut to, &given, n);
                    });
                });
            });
            gradients
                .iter_mut()
                .zip([dx, dw, db])
                .for_each(|(to, gradient)| *to = gradient);
        });
        let loss = reduce::sum_all(losses.data::<T>()) * T::of(self.factor);
        (Tensor::full([], loss.to_f64(), dtype), gradients)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    use Reduction::{Mean, None as Each, Sum};
    let mut check = Check::new("linear_cross_entropy");
    // Rows, columns, classes: nothing, one, odd, more logits than a chunk holds.
    let samples: [(&[usize], usize, usize); 6] = [
        (&[6], 3, 5),
        (&[1], 1, 1),
        (&[0], 4, 3),
        (&[2, 3], 5, 67),
        (&[], 2, 4),
        (&[5], 0, 3),
    ];
    for (rows, d_in, n) in samples {
        let x = normal([rows, &[d_in]].concat(), 1);
        let (w, bias) = (normal([n, d_in], 2), normal([n], 3));
        let mut rng = crate::Rng::new(4);
        let targets: Vec<i64> = (0..rows.iter().product())
            .map(|_| rng.below(n) as i64)
            .collect();
        let targets = Tensor::from_slice(&targets, rows);
        for (ignore, smoothing, reduction) in
            [(None, 0.0, Sum), (Some(0), 0.2, Sum), (Some(1), 0.1, Each)]
        {
            let classes = Classes::new(&targets, None, ignore, smoothing);
            let meant = classes.clone();
            check = check
                .case(
                    [x.clone(), w.clone(), bias.clone(), targets.clone()],
                    move |x| {
                        let [x, w, bias, targets] = x else {
                            unreachable!()
                        };
                        x.linear_cross_entropy(w, Some(bias), targets, ignore, smoothing, reduction)
                    },
                )
                .defined_by(move |x| definition(&x[0], &x[1], Some(&x[2]), &meant, reduction))
                .case([x.clone(), w.clone(), targets.clone()], move |x| {
                    x[0].linear_cross_entropy(&x[1], None, &x[2], ignore, smoothing, reduction)
                })
                .defined_by(move |x| definition(&x[0], &x[1], None, &classes, reduction));
        }
    }
    let targets = Tensor::from([0i64, 2, 1]);
    check = check.case([normal([3, 2], 1), normal([4, 2], 2), targets], |x| {
        x[0].linear_cross_entropy(&x[1], None, &x[2], Some(2), 0.0, Mean)
    });
    #[track_caller]
    fn call(x: [usize; 2], w: [usize; 2], classes: usize, smoothing: f64) -> Tensor {
        let (x, w) = (Tensor::zeros(x), Tensor::zeros(w));
        x.linear_cross_entropy(&w, None, &Tensor::arange(classes), None, smoothing, Mean)
    }
    vec![
        check
            .bad(
                "linear_cross_entropy: x [4, 5] must end in 3 to meet weight [2, 3]",
                || call([4, 5], [2, 3], 4, 0.0),
            )
            .bad(
                "linear_cross_entropy: x f32 [1, 3] wants targets i64 [1] (class numbers), but these are i64 [2]",
                || call([1, 3], [2, 3], 2, 0.0),
            )
            .bad(
                "linear_cross_entropy: label 2 at row 2 is none of the 2 classes of weight [2, 3]",
                || call([3, 3], [2, 3], 3, 0.0),
            )
            .bad(
                "linear_cross_entropy: weight [0, 3] must have at least one class",
                || call([0, 3], [0, 3], 0, 0.0),
            )
            .bad(
                "linear_cross_entropy: smoothing is a part from 0 to 1, not 2",
                || call([1, 3], [2, 3], 1, 2.0),
            ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rng, matmul_precision};

    /// Loss and gradients of many rows that know many classes: two chunks of logits.
    fn step(fused: bool, dtype: Dtype) -> Vec<Tensor> {
        let rng = &mut Rng::new(0);
        let x = (Tensor::randn([4200, 7], rng) * 0.5).requires_grad();
        let w = (Tensor::randn([4001, 7], rng) * 0.5).requires_grad();
        let targets: Vec<i64> = (0..4200).map(|i| i * 7 % 4001).collect();
        let targets = Tensor::from(targets);
        let ignore = Some(14);
        let loss = matmul_precision(dtype, || {
            if fused {
                x.linear_cross_entropy(&w, None, &targets, ignore, 0.1, Reduction::Mean)
            } else {
                let logits = x.linear(&w, None);
                logits.cross_entropy(&targets, None, ignore, 0.1, Reduction::Mean)
            }
        });
        let grads = (&loss * 3.0).backward();
        vec![loss, grads[&x].clone(), grads[&w].clone()]
    }

    #[test]
    fn chunks_of_rows_add_up_to_what_the_two_operations_give() {
        for (dtype, tolerance) in [(Dtype::F32, 1e-5), (Dtype::BF16, 2e-2)] {
            for (a, b) in step(true, dtype).iter().zip(&step(false, dtype)) {
                let largest = b.abs().amax(..).item();
                crate::checks::assert_close(a, b, 0.0, tolerance * largest);
            }
        }
    }

    #[test]
    fn no_logits_are_kept_for_the_way_back() {
        let rng = &mut Rng::new(0);
        let x = Tensor::randn([64, 8], rng).requires_grad();
        let w = Tensor::randn([1000, 8], rng).requires_grad();
        let before = count::bytes();
        let loss =
            x.linear_cross_entropy(&w, None, &Tensor::arange(64), None, 0.0, Reduction::Mean);
        // Gradients of x and w, the labels, and the loss.
        let held = count::bytes() - before;
        assert!((34_048..34_700).contains(&held), "{held}");
        let grads = loss.backward();
        assert_eq!(grads[&w].shape(), [1000, 8]);
    }

    #[test]
    fn a_frozen_weight_costs_no_product() {
        let rng = &mut Rng::new(0);
        let x = Tensor::randn([64, 8], rng).requires_grad();
        let w = Tensor::randn([1000, 8], rng);
        let before = count::flops();
        let loss =
            x.linear_cross_entropy(&w, None, &Tensor::arange(64), None, 0.0, Reduction::Mean);
        assert_eq!(loss.backward().len(), 1);
        assert_eq!(count::flops() - before, 2 * 2 * 64 * 8 * 1000);
    }
}
