//! Convolution in up to three axes of space, and its two gradients.
//!
//! ```text
//! forward             y[b, o, p] = Σ_c Σ_t x[b, c, s p + d t − a] w[o, c, t]        (x is 0 outside)
//! by the input       dx[b, c, q] = Σ_o Σ_t dy[b, o, p] w[o, c, t]                   where s p + d t − a = q
//! by the weight      dw[o, c, t] = Σ_b Σ_p dy[b, o, p] x[b, c, s p + d t − a]
//! ```
//!
//! `x` is `(B, G C, *input)`, `w` is `(G O, C, *kernel)`, `y` is `(B, G O, *output)`: `G` groups, each with `C` channels
//! in and `O` out; `p` runs over the output, `t` over the kernel, `s` is the stride, `d` the dilation and `a` the padding
//! in front. A transposed convolution is the gradient by the input, called forward.
//!
//! The first two are *correlations*: sums over what lies around a place, for the second one phase of the stride after
//! another. There are four ways, chosen by the shape of an example alone, so that the batch does not matter to the bits:
//!
//! - `correlate`, `weight`: products of matrices whose columns are packed straight from the image.
//! - `winograd`, `winograd_weight`: filters of 3 by 3 over many channels, with 2.25 times fewer multiplications.
//! - `direct`: few channels in a group, from a copy.
//! - `lines`, `lines_weight`: one channel in a group, as in *depthwise* convolution, where it lies; on processors whose
//!   vectors have masks.

use crate::lines::{for_rows, rows_per_task, sum_of};
use crate::matmul::tile::Micro;
use crate::matmul::{Activation, Work, on_best_f32, on_best_f64};
use crate::team::Rows;
use crate::{Float, team};
use axis::Axis;
use correlate::{Correlation, Weights};

mod axis;
mod correlate;
mod direct;
mod field;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lines;
#[cfg(target_arch = "x86_64")]
mod lines_weight;
mod weight;
mod winograd;
mod winograd_weight;

/// What meets what: the lengths of all axes. Axes of space that are not there come first, with length 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Examples.
    pub batch: usize,
    /// Parts of the channels that do not see each other.
    pub groups: usize,
    /// Channels of `x` in each group.
    pub c_in: usize,
    /// Channels of `y` in each group.
    pub c_out: usize,
    /// Space of `x`.
    pub input: [usize; 3],
    /// Space of `w`.
    pub kernel: [usize; 3],
    /// Space of `y`.
    pub output: [usize; 3],
    /// From one place of the kernel to the next one.
    pub stride: [usize; 3],
    /// From one element of the kernel to the next one.
    pub dilation: [usize; 3],
    /// Zeros in front of `x`; behind it there are as many as the output needs.
    pub before: [usize; 3],
}

impl Shape {
    /// Elements of `x`.
    #[must_use]
    pub fn x(&self) -> usize {
        self.batch * self.groups * self.c_in * volume(self.input)
    }

    /// Elements of `w`.
    #[must_use]
    pub fn w(&self) -> usize {
        self.groups * self.c_out * self.c_in * volume(self.kernel)
    }

    /// Elements of `y`.
    #[must_use]
    pub fn y(&self) -> usize {
        self.batch * self.groups * self.c_out * volume(self.output)
    }

    /// The same with strides of 1 where there is but one place; panics if the lengths are others or places too far.
    #[track_caller]
    fn checked(&self, x: usize, w: usize, y: usize) -> Self {
        /// Sums of a few such distances do not overflow.
        const FARTHEST: usize = 1 << 61;
        assert!(
            (x, w, y) == (self.x(), self.w(), self.y()),
            "conv: x, w and y have {x}, {w} and {y} elements, wanted those of {self:?}"
        );
        let mut shape = *self;
        for d in 0..3 {
            if self.output[d] <= 1 {
                shape.stride[d] = 1;
            }
            let reach = |count: usize, step: usize| count.saturating_sub(1).checked_mul(step);
            let places = reach(self.output[d], shape.stride[d]);
            let taps = reach(self.kernel[d], self.dilation[d]);
            let sum = places.zip(taps).and_then(|(p, t)| p.checked_add(t));
            let fits = sum.is_some_and(|sum| sum < FARTHEST) && self.before[d] < FARTHEST;
            assert!(fits, "conv: {self:?} reaches too far");
        }
        shape
    }

    /// The weights as a matrix from channels in to channels out.
    fn weights<'a, T>(&self, data: &'a [T]) -> Weights<'a, T> {
        let k = volume(self.kernel);
        Weights {
            data,
            group: self.c_out * self.c_in * k,
            row: self.c_in * k,
            channel: k,
            taps: (0..k).collect(),
        }
    }

    /// The convolution as a correlation.
    fn forward<'a, T>(
        &self,
        x: &'a [T],
        w: &'a [T],
        bias: Option<&'a [T]>,
        activation: Activation,
    ) -> Correlation<'a, T> {
        Correlation {
            batch: self.batch,
            groups: self.groups,
            m: self.c_out,
            depth: self.c_in,
            axes: self.axes(),
            source: x,
            weights: self.weights(w),
            bias,
            relu: activation == Activation::Relu,
        }
    }

    /// How `x` is read for each place of `y`.
    fn axes(&self) -> [Axis; 3] {
        std::array::from_fn(|d| Axis {
            from: self.input[d],
            places: self.output[d],
            step: self.stride[d],
            shifts: (0..self.kernel[d])
                .map(|t| (t * self.dilation[d]) as isize - self.before[d] as isize)
                .collect(),
            to: self.output[d],
            to_first: 0,
            to_step: 1,
        })
    }

    /// The classes of places of `x` that meet the same elements of the kernel: on each axis those that leave the same
    /// remainder, with the padding before them, by the stride. Only those that meet any.
    fn phases(&self) -> Vec<[usize; 3]> {
        let remainders = |d: usize| {
            let mut all: Vec<usize> = (0..self.kernel[d])
                .map(|t| t * self.dilation[d] % self.stride[d])
                .collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let [a, b, c] = [0, 1, 2].map(remainders);
        let mut phases = Vec::new();
        for a in a {
            for b in &b {
                phases.extend(c.iter().map(|c| [a, *b, *c]));
            }
        }
        phases
    }

    /// The gradient by the input as a correlation, for the places of one phase.
    fn by_input<'a, T>(
        &self,
        phase: [usize; 3],
        dy: &'a [T],
        w: &'a [T],
        bias: Option<&'a [T]>,
        activation: Activation,
    ) -> Correlation<'a, T> {
        // Place q, with q + a = s u + r, meets y at u − (d t − r) / s for each t with that remainder r.
        let meets = |d: usize, t: &usize| *t * self.dilation[d] % self.stride[d] == phase[d];
        let taps = |d: usize| (0..self.kernel[d]).filter(move |t| meets(d, t));
        let axes = std::array::from_fn(|d| {
            let (s, r, a) = (self.stride[d], phase[d], self.before[d]);
            let first = a.saturating_sub(r).div_ceil(s);
            let end = (self.input[d] + a).saturating_sub(r).div_ceil(s).max(first);
            Axis {
                from: self.output[d],
                places: end - first,
                step: 1,
                shifts: taps(d)
                    .map(|t| first as isize - ((t * self.dilation[d] - r) / s) as isize)
                    .collect(),
                to: self.input[d],
                to_first: (first * s + r).saturating_sub(a),
                to_step: s,
            }
        });
        let k = volume(self.kernel);
        let [_, b, c] = self.kernel;
        let mut all = Vec::new();
        for i in taps(0) {
            for j in taps(1) {
                all.extend(taps(2).map(|t| (i * b + j) * c + t));
            }
        }
        Correlation {
            batch: self.batch,
            groups: self.groups,
            m: self.c_in,
            depth: self.c_out,
            axes,
            source: dy,
            weights: Weights {
                data: w,
                group: self.c_out * self.c_in * k,
                row: k,
                channel: self.c_in * k,
                taps: all,
            },
            bias,
            relu: activation == Activation::Relu,
        }
    }
}

fn volume(space: [usize; 3]) -> usize {
    space.iter().product()
}

/// `y = activation(x ⋆ w + bias)`.
///
/// # Panics
/// If the lengths do not fit the shape.
#[track_caller]
pub fn forward<T: Float>(
    y: &mut [T],
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    activation: Activation,
    shape: &Shape,
) {
    let shape = &shape.checked(x.len(), w.len(), y.len());
    check_bias(bias, shape.groups * shape.c_out);
    if w.is_empty() {
        // No sums, however long the axes are said to be.
        let channels = shape.groups * shape.c_out;
        return fill(y, bias, activation, channels, volume(shape.output));
    }
    if !y.is_empty() {
        correlate(y, &shape.forward(x, w, bias, activation));
    }
}

/// `dx`: what each element of `x` weighs, times `dy`. With bias and activation it is a transposed convolution.
///
/// # Panics
/// If the lengths do not fit the shape.
#[track_caller]
pub fn by_input<T: Float>(
    dx: &mut [T],
    dy: &[T],
    w: &[T],
    bias: Option<&[T]>,
    activation: Activation,
    shape: &Shape,
) {
    let shape = &shape.checked(dx.len(), w.len(), dy.len());
    check_bias(bias, shape.groups * shape.c_in);
    if w.is_empty() {
        let channels = shape.groups * shape.c_in;
        return fill(dx, bias, activation, channels, volume(shape.input));
    }
    transposed(dx, dy, w, bias, activation, shape, correlate);
}

/// [`by_input`], phase by phase.
fn transposed<T: Float>(
    dx: &mut [T],
    dy: &[T],
    w: &[T],
    bias: Option<&[T]>,
    activation: Activation,
    shape: &Shape,
    correlate: impl Fn(&mut [T], &Correlation<'_, T>),
) {
    if dx.is_empty() {
        return;
    }
    let phases = shape.phases();
    if phases.len()
        < shape
            .stride
            .iter()
            .fold(1, |n: usize, s| n.saturating_mul(*s))
    {
        // Where no element of the kernel comes there is nothing but the bias.
        fill(
            dx,
            bias,
            activation,
            shape.groups * shape.c_in,
            volume(shape.input),
        );
    }
    for phase in phases {
        correlate(dx, &shape.by_input(phase, dy, w, bias, activation));
    }
}

/// `dw`: the sum over the batch of what each weight weighs.
///
/// # Panics
/// If the lengths do not fit the shape.
#[track_caller]
pub fn by_weight<T: Float>(dw: &mut [T], x: &[T], dy: &[T], shape: &Shape) {
    let shape = &shape.checked(x.len(), dw.len(), dy.len());
    if x.is_empty() || dy.is_empty() {
        return dw.fill(T::ZERO);
    }
    if !dw.is_empty() {
        weight::by_weight(dw, x, dy, shape);
    }
}

/// `g = dy` where `y (B, C, *space) > 0`, else 0, and the sum of each channel of it, in one pass: what a ReLU within
/// the convolution leads back, and the gradient of the bias before it.
///
/// # Panics
/// If the lengths do not fit.
pub fn relu_bias_backward<T: Float>(g: &mut [T], db: &mut [T], dy: &[T], y: &[T], batch: usize) {
    let lines = batch * db.len();
    let Some(n) = g.len().checked_div(lines).filter(|n| *n > 0) else {
        return db.fill(T::ZERO);
    };
    let mut sums = vec![T::ZERO; lines];
    let parts = (
        Rows::new(g, n),
        Rows::new(dy, n),
        Rows::new(y, n),
        &mut sums[..],
    );
    for_rows(
        parts,
        rows_per_task(n),
        #[inline(always)]
        |_, (g, dy, y, sums)| {
            let rows = dy.chunks_exact(n).zip(y.chunks_exact(n));
            for ((g, (dy, y)), sum) in g.chunks_exact_mut(n).zip(rows).zip(sums) {
                for i in 0..n {
                    let passed = dy[i]; // loaded in any case, so that no branch is needed
                    g[i] = if y[i] > T::ZERO { passed } else { T::ZERO };
                }
                *sum = sum_of(
                    g,
                    g,
                    #[inline(always)]
                    |g, _| g,
                );
            }
        },
    );
    for (c, db) in db.iter_mut().enumerate() {
        let of_images = sums[c..].iter().step_by(lines / batch);
        *db = of_images.fold(T::ZERO, |sum, x| sum + *x);
    }
}

#[track_caller]
fn check_bias<T>(bias: Option<&[T]>, channels: usize) {
    if let Some(bias) = bias {
        assert!(
            bias.len() == channels,
            "conv: the bias has {} elements, wanted [{channels}]",
            bias.len()
        );
    }
}

/// Fills each channel with its bias after the activation; a channel has `n` elements.
fn fill<T: Float>(
    y: &mut [T],
    bias: Option<&[T]>,
    activation: Activation,
    channels: usize,
    n: usize,
) {
    if y.is_empty() {
        return;
    }
    team::split(Rows::new(y, n), 16_384_usize.div_ceil(n), |first, y| {
        for (i, y) in y.chunks_exact_mut(n).enumerate() {
            let bias = bias.map_or(T::ZERO, |bias| bias[(first + i) % channels]);
            y.fill(if activation == Activation::Relu && bias < T::ZERO {
                T::ZERO
            } else {
                bias
            });
        }
    });
}

/// Computes a correlation by the best kernels.
fn correlate<T: Float>(result: &mut [T], job: &Correlation<'_, T>) {
    struct Run<'a, 'b, T>(&'a Correlation<'b, T>, &'a mut [T]);
    impl<T: Float> Work<T> for Run<'_, '_, T> {
        unsafe fn run<K: Micro<In = T, Out = T>>(self) {
            // SAFETY: this function's contract; the lengths have been checked.
            unsafe {
                if winograd::suits(self.0) {
                    winograd::run::<T, K>(self.0, self.1);
                } else {
                    correlate::run::<T, K>(self.0, self.1);
                }
            }
        }
    }
    let places: usize = job.axes.iter().map(|axis| axis.places).product();
    if result.is_empty() || places == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if lines::suits(job) {
        return lines::run(job, result);
    }
    if direct::suits(job) {
        direct::run(job, result);
    } else if std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>() {
        on_best_f32(Run(&job.cast(), same_mut(result)));
    } else {
        on_best_f64(Run(&job.cast(), same_mut(result)));
    }
}

/// The same numbers, where `T` is `U`.
fn same<T: Float, U: Float>(x: &[T]) -> &[U] {
    assert_eq!(std::any::TypeId::of::<T>(), std::any::TypeId::of::<U>());
    // SAFETY: the types are the same.
    unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// The same numbers, where `T` is `U`.
fn same_mut<T: Float, U: Float>(x: &mut [T]) -> &mut [U] {
    assert_eq!(std::any::TypeId::of::<T>(), std::any::TypeId::of::<U>());
    // SAFETY: the types are the same.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

#[cfg(test)]
mod tests;
