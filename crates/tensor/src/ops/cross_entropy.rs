//! Cross entropy of logits, and the negative log-likelihood of log-probabilities.

use super::softmax::{axis_in, log_softmax_definition};
use super::{Reduction, through_f32, want_float};
use crate::Tensor;
use crate::dtype::{Dtype, with_float};
use crate::shape::Dims;
use crate::tape::{record, record_fused};
use eras_kernels::Float;
use eras_kernels::cross_entropy::{self, Kept, Labels};
use eras_kernels::reduce;

/// What cross entropy means: `q`, of the shape of the logits, says how much each class counts.
pub(super) fn definition(logits: &Tensor, q: &Tensor, reduction: Reduction, total: f64) -> Tensor {
    let each = -(q * log_softmax_definition(logits, 1)).sum(1);
    reduction.of(&each, total)
}

/// Panics unless each of `labels` is one of the classes that axis `axis` of `x`, called `name`, has, or `ignore`.
#[track_caller]
pub(super) fn want_classes(
    op: &str,
    (name, x, axis): (&str, &Tensor, usize),
    labels: &Tensor,
    ignore: Option<i64>,
) {
    let classes = x.shape()[axis] as i64;
    let labels = labels.contiguous();
    for (row, &label) in labels.data::<i64>().iter().enumerate() {
        assert!(
            (0..classes).contains(&label) || Some(label) == ignore,
            "{op}: label {label} at row {row} is none of the {classes} classes of {name} {:?}",
            x.shape()
        );
    }
}

#[track_caller]
pub(super) fn want_smoothing(op: &str, smoothing: f64) {
    assert!(
        (0.0..=1.0).contains(&smoothing),
        "{op}: smoothing is a part from 0 to 1, not {smoothing}"
    );
}

/// Class numbers that were checked, and how they count.
#[derive(Clone)]
pub(super) struct Classes {
    pub(super) labels: Tensor,
    pub(super) ignore: Option<i64>,
    /// `(C)`, contiguous
    weight: Option<Tensor>,
    pub(super) smoothing: f64,
}

impl Classes {
    pub(super) fn new(
        targets: &Tensor,
        weight: Option<Tensor>,
        ignore: Option<i64>,
        smoothing: f64,
    ) -> Self {
        Self {
            labels: targets.contiguous(),
            ignore,
            weight,
            smoothing,
        }
    }

    /// What the mean divides by: the weights of all labels that count.
    pub(super) fn total(&self) -> f64 {
        let labels = self.labels.data::<i64>();
        let counting = labels.iter().filter(|&&label| Some(label) != self.ignore);
        let Some(weight) = &self.weight else {
            return counting.count() as f64;
        };
        let weight = weight.to_dtype(Dtype::F64).to_vec::<f64>();
        counting.map(|&label| weight[label as usize]).sum()
    }

    /// Written out as `q`, of the shape of `x`.
    pub(super) fn written_out(&self, x: &Tensor) -> Tensor {
        let (n, inner) = axis_in(x, 1);
        let weight = self.weight.as_ref();
        let weight = weight.map(|w| w.to_dtype(Dtype::F64).to_vec::<f64>());
        let q = Tensor::build::<f64>(Dtype::F64, x.dims(), |q| {
            for (i, q) in q.iter_mut().enumerate() {
                let class = i / inner % n;
                let label = self.labels.data::<i64>()[i / (n * inner) * inner + i % inner];
                let hit = f64::from(label == class as i64);
                let share = (1.0 - self.smoothing) * hit + self.smoothing / n as f64;
                let counts = Some(label) != self.ignore;
                let weight = weight.as_ref().map_or(1.0, |w| w[class]);
                *q = if counts { share * weight } else { 0.0 };
            }
        });
        q.to_dtype(x.dtype())
    }
}

/// As the kernels take them.
macro_rules! labels {
    ($classes:expr, $T:ty) => {
        &Labels {
            labels: $classes.labels.data::<i64>(),
            ignore: $classes.ignore,
            weight: $classes.weight.as_ref().map(Tensor::data::<$T>),
            smoothing: $classes.smoothing as $T,
        }
    };
}

/// What becomes of the losses, the first row of `rows (.., lines)`, given the shape that they have.
fn reduced(rows: &Tensor, dims: Dims, reduction: Reduction, total: f64) -> Tensor {
    let each = rows.select(0, 0);
    if reduction == Reduction::None {
        return each.reshape(dims);
    }
    let factor = reduction.factor(total);
    with_float!(each.dtype(), T => Tensor::from(reduce::sum_all(each.data::<T>()) * factor as T))
}

/// The rows that the kernels fill: the loss, m and 1/s of each line.
fn split_rows<T>(rows: &mut [T], lines: usize) -> (&mut [T], Kept<&mut [T]>) {
    let (loss, kept) = rows.split_at_mut(lines);
    let (max, scale) = kept.split_at_mut(lines);
    (loss, Kept { max, scale })
}

/// What was kept of them.
fn kept<T: Float>(rows: &Tensor) -> Kept<&[T]> {
    let lines = rows.shape()[1];
    let (max, scale) = rows.data::<T>()[lines..].split_at(lines);
    Kept { max, scale }
}

impl Tensor {
    /// The cross entropy of these logits, class axis 1, with what was to be predicted.
    ///
    /// Shapes: logits `(N, C)` or `(N, C, d1, ..)`. `targets` are class numbers in `i64` of that shape without `C`,
    /// or probabilities of the dtype and shape of the logits. The result is a single number, or the loss of each
    /// row if `reduction` is [`Reduction::None`].
    ///
    /// * `weight (C)`: how much each class counts, a constant.
    /// * `ignore`: rows with this class number do not count. (PyTorch ignores -100 unless told otherwise; here a
    ///   number that is no class is a mistake unless it was named.)
    /// * `smoothing`: the part of each target that is spread evenly over the classes (Szegedy et al. 2015,
    ///   arXiv:1512.00567).
    ///
    /// As in PyTorch, the mean divides by the weights of the rows that count or, with probabilities, by the number
    /// of rows. The derivative with respect to probabilities is there too.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let logits = Tensor::from([[0.0f64, 0.0], [0.0, 3f64.ln()]]);
    /// let loss = logits.cross_entropy(&Tensor::from([0i64, 1]), None, None, 0.0, Reduction::Sum);
    /// assert!((loss.item() - (2f64.ln() - 0.75f64.ln())).abs() < 1e-12);
    /// ```
    ///
    /// # Panics
    /// If shapes or dtypes do not fit, a class number is out of range, or `weight` needs a gradient.
    #[must_use]
    #[track_caller]
    pub fn cross_entropy(
        &self,
        targets: &Self,
        weight: Option<&Self>,
        ignore: Option<i64>,
        smoothing: f64,
        reduction: Reduction,
    ) -> Self {
        want_logits("cross_entropy", self);
        let weight = class_weights("cross_entropy", self, weight);
        want_smoothing("cross_entropy", smoothing);
        if targets.shape() == self.shape() && targets.dtype() == self.dtype() {
            assert!(
                ignore.is_none(),
                "cross_entropy: class {ignore:?} cannot be ignored where targets are probabilities"
            );
            return soft_cross_entropy(self, targets, weight.as_ref(), smoothing, reduction);
        }
        want_labels("cross_entropy", self, targets);
        want_classes("cross_entropy", ("logits", self, 1), targets, ignore);
        if let Some(y) = through_f32([self], |[x]| {
            x.cross_entropy(targets, weight.as_ref(), ignore, smoothing, reduction)
        }) {
            return y;
        }
        let classes = Classes::new(targets, weight, ignore, smoothing);
        hard_cross_entropy(self, classes, reduction)
    }

    /// The negative log-likelihood: minus the log-probability of the right class, class axis 1.
    ///
    /// Shapes and options as in [`cross_entropy`](Self::cross_entropy), for log-probabilities in the place of logits.
    ///
    /// # Panics
    /// If shapes or dtypes do not fit, a class number is out of range, or `weight` needs a gradient.
    #[must_use]
    #[track_caller]
    pub fn nll(
        &self,
        targets: &Self,
        weight: Option<&Self>,
        ignore: Option<i64>,
        reduction: Reduction,
    ) -> Self {
        want_logits("nll", self);
        want_labels("nll", self, targets);
        want_classes("nll", ("logits", self, 1), targets, ignore);
        let weight = class_weights("nll", self, weight);
        if let Some(y) = through_f32([self], |[x]| {
            x.nll(targets, weight.as_ref(), ignore, reduction)
        }) {
            return y;
        }
        let classes = Classes::new(targets, weight, ignore, 0.0);
        let factor = reduction.factor(classes.total());
        let (n, inner) = axis_in(self, 1);
        let x = self.detach().contiguous();
        let rows = with_float!(x.dtype(), T => Self::build::<T>(x.dtype(), [1, targets.len()].into(), |y| {
            cross_entropy::nll_forward(y, x.data(), n, inner, labels!(classes, T));
        }));
        let y = reduced(&rows, targets.dims(), reduction, classes.total());
        let dims = self.dims();
        record("nll", y, [self], move |b| {
            if b.differentiable {
                // Linear: the slope is a constant that is multiplied with.
                let dy = if b.dy.rank() == 0 {
                    b.dy.clone()
                } else {
                    b.dy.unsqueeze(1)
                };
                return [Some((dy * -factor).mul(&classes.written_out(&x)))];
            }
            let dy = b.dy.contiguous();
            [Some(
                with_float!(dy.dtype(), T => Self::build::<T>(dy.dtype(), dims, |dx| {
                    cross_entropy::nll_backward(dx, dy.data(), factor as T, n, inner, labels!(classes, T));
                })),
            )]
        })
    }
}

#[track_caller]
fn want_logits(op: &str, x: &Tensor) {
    want_float(op, x);
    assert!(
        x.rank() >= 2 && x.shape()[1] > 0,
        "{op}: logits must be (N, C) or (N, C, ..) with at least one class, not {:?}",
        x.shape()
    );
}

/// Panics unless `targets` are one whole number for each row of `x`.
#[track_caller]
fn want_labels(op: &str, x: &Tensor, targets: &Tensor) {
    let wanted = x.dims().without(1);
    assert!(
        targets.dtype() == Dtype::I64 && targets.shape() == &*wanted,
        "{op}: logits {} {:?} want targets i64 {wanted:?} (class numbers), but these are {} {:?}",
        x.dtype(),
        x.shape(),
        targets.dtype(),
        targets.shape()
    );
}

/// `weight` as numbers of the dtype of `x`, in line.
#[track_caller]
fn class_weights(op: &str, x: &Tensor, weight: Option<&Tensor>) -> Option<Tensor> {
    let weight = weight?;
    assert!(
        weight.shape() == [x.shape()[1]] && weight.dtype().is_float(),
        "{op}: logits {:?} want {} class weights, but these are {} {:?}",
        x.shape(),
        x.shape()[1],
        weight.dtype(),
        weight.shape()
    );
    assert!(
        !weight.is_tracked(),
        "{op}: class weights have no gradient here; detach() them"
    );
    Some(weight.to_dtype(x.dtype()).contiguous())
}

fn hard_cross_entropy(logits: &Tensor, classes: Classes, reduction: Reduction) -> Tensor {
    let (n, inner) = axis_in(logits, 1);
    let total = classes.total();
    let x = logits.detach().contiguous();
    let lines = classes.labels.len();
    let rows = with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), [3, lines].into(), |rows| {
        let (loss, kept) = split_rows(rows, lines);
        cross_entropy::forward(loss, kept, x.data(), n, inner, labels!(classes, T));
    }));
    let y = reduced(&rows, classes.labels.dims(), reduction, total);
    let meant = classes.clone();
    record_fused(
        "cross_entropy",
        y,
        [logits],
        move |[x]| definition(x, &meant.written_out(x), reduction, total),
        move |b| {
            let dy = b.dy.contiguous();
            [Some(
                with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), x.dims(), |dx| {
                    let factor = reduction.factor(total) as T;
                    let labels = labels!(classes, T);
                    cross_entropy::backward(dx, dy.data(), factor, kept(&rows), x.data(), n, inner, labels);
                })),
            )]
        },
    )
}

/// Cross entropy with probabilities: the options are folded into them, and the classes put last.
fn soft_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weight: Option<&Tensor>,
    smoothing: f64,
    reduction: Reduction,
) -> Tensor {
    if let Some(y) = through_f32([logits, targets], |[x, t]| {
        let weight = weight.map(|w| w.to_dtype(Dtype::F32));
        soft_cross_entropy(x, t, weight.as_ref(), smoothing, reduction)
    }) {
        return y;
    }
    let last = |x: &Tensor| {
        let mut order: Vec<usize> = (0..x.rank()).collect();
        order.remove(1);
        order.push(1);
        x.permuted_by(&order)
    };
    let (x, mut q) = (last(logits), last(targets));
    let n = logits.shape()[1];
    if smoothing > 0.0 {
        q = q * (1.0 - smoothing) + smoothing / n as f64;
    }
    if let Some(weight) = weight {
        q = q * weight;
    }
    let dims = logits.dims().without(1);
    let total = dims.count() as f64;
    let (a, b) = (x.detach().contiguous(), q.detach().contiguous());
    let lines = dims.count();
    let rows = with_float!(a.dtype(), T => Tensor::build::<T>(a.dtype(), [3, lines].into(), |rows| {
        let (loss, kept) = split_rows(rows, lines);
        cross_entropy::soft_forward(loss, kept, a.data(), b.data(), n);
    }));
    let y = reduced(&rows, dims, reduction, total);
    let class_axis = x.rank() - 1;
    record_fused(
        "cross_entropy",
        y,
        [&x, &q],
        move |[x, q]| {
            let each = -(q * log_softmax_definition(x, class_axis)).sum(class_axis);
            reduction.of(&each, total)
        },
        move |back| {
            let dy = back.dy.contiguous();
            with_float!(a.dtype(), T => {
                let factor = reduction.factor(total) as T;
                let make = |i: usize, run: &dyn Fn(&mut [T])| {
                    back.want(i, || Tensor::build::<T>(a.dtype(), a.dims(), run))
                };
                [
                    make(0, &|dx| cross_entropy::soft_backward(dx, dy.data(), factor, kept(&rows), a.data(), b.data(), n)),
                    make(1, &|dq| cross_entropy::soft_backward_targets(dq, dy.data(), factor, kept(&rows), a.data(), n)),
                ]
            })
        },
    )
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal, positive};
    use Reduction::{Mean, None as Each, Sum};
    let labels = |shape: &[usize], classes: usize, seed: u64| {
        let mut rng = crate::Rng::new(seed);
        let x: Vec<i64> = (0..shape.iter().product())
            .map(|_| rng.below(classes) as i64)
            .collect();
        Tensor::from_slice(&x, shape)
    };
    let weights = |n: usize| positive([n], 99);
    let logits = |shape: &[usize], seed| normal(shape, seed) * 2.0;
    let mut check = Check::new("cross_entropy");
    // Short and long rows, more than a chunk of either, axes behind the classes, nothing.
    let samples: [&[usize]; 9] = [
        &[6, 5],
        &[1, 1],
        &[0, 3],
        &[3, 67],
        &[2, 17_001],
        &[3, 5, 4],
        &[2, 3, 2, 2],
        &[2, 40, 3],
        &[1700, 10],
    ];
    for (i, shape) in samples.into_iter().enumerate() {
        let (n, seed) = (shape[1], i as u64);
        let rows: Vec<usize> = [&shape[..1], &shape[2..]].concat();
        let targets = labels(&rows, n, seed);
        let options = [
            (None, None, 0.0, Sum),
            (None, Some(0), 0.1, Each),
            (Some(weights(n)), Some(1), 0.2, Sum),
        ];
        for (weight, ignore, smoothing, reduction) in options {
            let meant = Classes {
                labels: targets.clone(),
                ignore,
                weight: weight.clone(),
                smoothing,
            };
            check = check
                .case([logits(shape, seed), targets.clone()], move |x| {
                    x[0].cross_entropy(&x[1], weight.as_ref(), ignore, smoothing, reduction)
                })
                .defined_by(move |x| definition(&x[0], &meant.written_out(&x[0]), reduction, 1.0));
        }
        // Probabilities, to be differentiated too.
        let weight = weights(n);
        let mut along = vec![1; shape.len()];
        along[1] = n;
        let column = weight.reshape(along);
        let inputs = || {
            [
                logits(shape, seed),
                positive(shape, seed) * (1.0 / n as f64),
            ]
        };
        check = check
            .case(inputs(), |x| {
                x[0].cross_entropy(&x[1], None, None, 0.0, Each)
            })
            .defined_by(|x| definition(&x[0], &x[1], Each, 1.0))
            .case(inputs(), move |x| {
                x[0].cross_entropy(&x[1], Some(&weight), None, 0.1, Sum)
            })
            .defined_by(move |x| {
                let q = (&x[1] * 0.9 + 0.1 / n as f64) * column.to_dtype(x[1].dtype());
                definition(&x[0], &q, Sum, 1.0)
            });
    }
    let (five, targets) = (logits(&[6, 5], 1), labels(&[6], 5, 2));
    let check = check
        .case([five.clone(), targets.clone()], |x| {
            x[0].cross_entropy(&x[1], None, Some(3), 0.0, Mean)
        })
        .case([five.clone(), positive([6, 5], 1)], |x| {
            x[0].cross_entropy(&x[1], None, None, 0.0, Mean)
        });
    let mut nll = Check::new("nll");
    for (shape, reduction) in [([6, 5, 1], Sum), ([3, 67, 2], Each), ([0, 3, 1], Sum)] {
        let targets = labels(&[shape[0], shape[2]], shape[1], 3);
        let weight = weights(shape[1]);
        let meant = Classes {
            labels: targets.clone(),
            ignore: Some(2),
            weight: Some(weight.clone()),
            smoothing: 0.0,
        };
        nll = nll
            .case([logits(&shape, 1), targets], move |x| {
                x[0].nll(&x[1], Some(&weight), Some(2), reduction)
            })
            .defined_by(move |x| {
                let each = -(&x[0] * meant.written_out(&x[0])).sum(1);
                reduction.of(&each, 1.0)
            });
    }
    let nll = nll.case([five, targets], |x| x[0].nll(&x[1], None, None, Mean));
    vec![
        check
            .bad(
                "cross_entropy: label 10 at row 1 is none of the 10 classes of logits [2, 10]",
                || Tensor::zeros([2, 10]).cross_entropy(&Tensor::from([9i64, 10]), None, None, 0.0, Mean),
            )
            .bad(
                "cross_entropy: label -100 at row 0 is none of the 3 classes",
                || Tensor::zeros([1, 3]).cross_entropy(&Tensor::from([-100i64]), None, Some(-1), 0.0, Mean),
            )
            .bad(
                "cross_entropy: logits f32 [2, 3] want targets i64 [2] (class numbers), but these are i64 [3]",
                || Tensor::zeros([2, 3]).cross_entropy(&Tensor::arange(3), None, None, 0.0, Mean),
            )
            .bad(
                "cross_entropy: logits f32 [2, 3] want targets i64 [2] (class numbers), but these are f32 [2]",
                || Tensor::zeros([2, 3]).cross_entropy(&Tensor::zeros([2]), None, None, 0.0, Mean),
            )
            .bad("cross_entropy: logits must be (N, C)", || {
                Tensor::zeros([3]).cross_entropy(&Tensor::from(1i64), None, None, 0.0, Mean)
            })
            .bad("cross_entropy: smoothing is a part from 0 to 1, not 1.5", || {
                Tensor::zeros([1, 3]).cross_entropy(&Tensor::from([1i64]), None, None, 1.5, Mean)
            })
            .bad("want 3 class weights, but these are f32 [2]", || {
                let weight = Tensor::ones([2]);
                Tensor::zeros([1, 3]).cross_entropy(&Tensor::from([1i64]), Some(&weight), None, 0.0, Mean)
            }),
        nll.bad("nll: label 3 at row 0 is none of the 3 classes", || {
            Tensor::zeros([1, 3]).nll(&Tensor::from([3i64]), None, None, Mean)
        })
        .bad("nll: class weights have no gradient here", || {
            let weight = Tensor::ones([3]).requires_grad();
            Tensor::zeros([1, 3]).nll(&Tensor::from([1i64]), Some(&weight), None, Mean)
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reduction::{Mean, None as Each};

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_number_of_classes() {
        for n in [2, 10, 100] {
            let x = Tensor::full([3, n], 7.0, Dtype::F64).contiguous();
            let x = x.requires_grad();
            let loss = x.cross_entropy(&Tensor::from([0i64, 1, 1]), None, None, 0.0, Mean);
            assert!((loss.item() - (n as f64).ln()).abs() < 1e-12);
            // (softmax - one hot) / 3
            let dx = loss.backward()[&x].to_vec::<f64>();
            assert!((dx[0] - (1.0 / n as f64 - 1.0) / 3.0).abs() < 1e-12);
            assert!((dx[1] - 1.0 / n as f64 / 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn logits_of_any_size_are_safe_and_exact() {
        let x = Tensor::from([[1e4f32, 0.0, 1e4], [-1e30, 1e30, 0.0]]);
        let loss = x.cross_entropy(&Tensor::from([0i64, 1]), None, None, 0.0, Each);
        assert_eq!(loss.to_vec::<f32>(), [2f32.ln(), 0.0]);
    }

    #[test]
    fn ignored_rows_neither_count_nor_pass_a_gradient_even_if_they_are_infinite() {
        for n in [3, 40] {
            let mut x = vec![0.0f32; 2 * n];
            x[0] = f32::INFINITY;
            let x = Tensor::from_slice(&x, [2, n]).requires_grad();
            let loss = x.cross_entropy(&Tensor::from([-100i64, 1]), None, Some(-100), 0.0, Mean);
            assert!((loss.item() - (n as f64).ln()).abs() < 1e-6);
            let dx = loss.backward()[&x].to_vec::<f32>();
            assert!(dx[..n].iter().all(|dx| *dx == 0.0));
            assert!((dx[n + 1] - (1.0 / n as f32 - 1.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn one_hot_probabilities_equal_labels() {
        let x = Tensor::from([[0.5f64, -1.0, 2.0], [0.0, 3.0, 1.0]]);
        let one_hot = Tensor::from([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        let weight = Tensor::from([0.5, 2.0, 3.0]);
        for smoothing in [0.0, 0.3] {
            let hard = x.cross_entropy(
                &Tensor::from([2i64, 0]),
                Some(&weight),
                None,
                smoothing,
                Each,
            );
            let soft = x.cross_entropy(&one_hot, Some(&weight), None, smoothing, Each);
            crate::checks::assert_close(&hard, &soft, 1e-14, 1e-14);
        }
    }
}
