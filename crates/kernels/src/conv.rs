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

use crate::buffer::Buffer;
use crate::matmul::{Activation, Epilogue, Mat, matmul};
use crate::{Float, team};

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

    #[track_caller]
    fn check(&self, x: usize, w: usize, y: usize) {
        assert!(
            (x, w, y) == (self.x(), self.w(), self.y()),
            "conv: x, w and y have {x}, {w} and {y} elements, wanted those of {self:?}"
        );
    }

    /// Where in `x` an axis is read for place `p` and element `t` of the kernel, if inside.
    fn source(&self, axis: usize, p: usize, t: usize) -> Option<usize> {
        let at = p * self.stride[axis] + t * self.dilation[axis];
        let at = at.checked_sub(self.before[axis])?;
        (at < self.input[axis]).then_some(at)
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
    shape.check(x.len(), w.len(), y.len());
    let (k, n) = (shape.c_in * volume(shape.kernel), volume(shape.output));
    if y.is_empty() {
        return;
    }
    let mut columns = Buffer::new(k * n * size_of::<T>());
    let columns = columns.slice_mut::<T>();
    for_groups(shape, |image, group, index| {
        gather(
            columns,
            part(x, index, shape.c_in * volume(shape.input)),
            shape,
        );
        let y = part_mut(y, index, shape.c_out * n);
        let w = part(w, group, shape.c_out * k);
        let _ = image;
        matmul(
            y,
            (shape.c_out, k, n),
            Mat::rows(w, k),
            Mat::rows(columns, n),
            &Epilogue::default(),
        );
    });
    finish(y, bias, activation, shape.groups * shape.c_out, n);
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
    shape.check(dx.len(), w.len(), dy.len());
    let (k, n) = (shape.c_in * volume(shape.kernel), volume(shape.output));
    dx.fill(T::ZERO);
    if !dx.is_empty() && !dy.is_empty() {
        let mut columns = Buffer::new(k * n * size_of::<T>());
        let columns = columns.slice_mut::<T>();
        for_groups(shape, |_, group, index| {
            let w = part(w, group, shape.c_out * k);
            let dy = part(dy, index, shape.c_out * n);
            matmul(
                columns,
                (k, shape.c_out, n),
                Mat::rows(w, k).t(),
                Mat::rows(dy, n),
                &Epilogue::default(),
            );
            scatter(
                part_mut(dx, index, shape.c_in * volume(shape.input)),
                columns,
                shape,
            );
        });
    }
    finish(
        dx,
        bias,
        activation,
        shape.groups * shape.c_in,
        volume(shape.input),
    );
}

/// `dw`: the sum over the batch of what each weight weighs.
///
/// # Panics
/// If the lengths do not fit the shape.
#[track_caller]
pub fn by_weight<T: Float>(dw: &mut [T], x: &[T], dy: &[T], shape: &Shape) {
    shape.check(x.len(), dw.len(), dy.len());
    let (k, n) = (shape.c_in * volume(shape.kernel), volume(shape.output));
    dw.fill(T::ZERO);
    if dw.is_empty() || n == 0 {
        return;
    }
    let mut columns = Buffer::new(k * n * size_of::<T>());
    let columns = columns.slice_mut::<T>();
    let add = Epilogue {
        accumulate: true,
        ..Epilogue::default()
    };
    for_groups(shape, |_, group, index| {
        gather(
            columns,
            part(x, index, shape.c_in * volume(shape.input)),
            shape,
        );
        let dy = part(dy, index, shape.c_out * n);
        let dw = part_mut(dw, group, shape.c_out * k);
        matmul(
            dw,
            (shape.c_out, n, k),
            Mat::rows(dy, n),
            Mat::rows(columns, n).t(),
            &add,
        );
    });
}

/// Calls `work(image, group, image * groups + group)` for each.
fn for_groups(shape: &Shape, mut work: impl FnMut(usize, usize, usize)) {
    for image in 0..shape.batch {
        for group in 0..shape.groups {
            work(image, group, image * shape.groups + group);
        }
    }
}

fn part<T>(x: &[T], index: usize, len: usize) -> &[T] {
    &x[index * len..(index + 1) * len]
}

fn part_mut<T>(x: &mut [T], index: usize, len: usize) -> &mut [T] {
    &mut x[index * len..(index + 1) * len]
}

/// The elements of `x (C, *input)` that meet each element of the kernel, in the order of the output: `(C, *kernel,
/// *output)`.
fn gather<T: Float>(columns: &mut [T], x: &[T], shape: &Shape) {
    let n = volume(shape.output);
    let columns = team::Rows::new(columns, n);
    team::split(columns, 8, |first, columns| {
        for (i, column) in columns.chunks_exact_mut(n).enumerate() {
            for_places(shape, first + i, |p, q| {
                column[p] = q.map_or(T::ZERO, |q| x[q])
            });
        }
    });
}

/// Adds columns to where [`gather`] takes them from.
fn scatter<T: Float>(x: &mut [T], columns: &[T], shape: &Shape) {
    let (n, taps) = (volume(shape.output), volume(shape.kernel));
    let m = volume(shape.input);
    let parts = (team::Rows::new(x, m), team::Rows::new(columns, n * taps));
    team::split(parts, 1, |_, (x, columns)| {
        for (t, column) in columns.chunks_exact(n).enumerate() {
            for_places(shape, t, |p, q| {
                if let Some(q) = q {
                    x[q] += column[p];
                }
            });
        }
    });
}

/// Calls `visit(p, q)` for each place `p` of the output and the element `q` of `(C, *input)` that it meets at element
/// `row` of `(C, *kernel)`.
fn for_places(shape: &Shape, row: usize, mut visit: impl FnMut(usize, Option<usize>)) {
    let Shape {
        kernel,
        input,
        output,
        ..
    } = shape;
    let (channel, t) = (row / volume(*kernel), row % volume(*kernel));
    let t = [
        t / kernel[2] / kernel[1],
        t / kernel[2] % kernel[1],
        t % kernel[2],
    ];
    let mut p = 0;
    for i in 0..output[0] {
        let plane = shape.source(0, i, t[0]).map(|at| channel * input[0] + at);
        for j in 0..output[1] {
            let line = plane
                .zip(shape.source(1, j, t[1]))
                .map(|(plane, at)| plane * input[1] + at);
            for k in 0..output[2] {
                let q = line
                    .zip(shape.source(2, k, t[2]))
                    .map(|(line, at)| line * input[2] + at);
                visit(p, q);
                p += 1;
            }
        }
    }
}

/// Adds the bias of each channel, and applies the activation.
fn finish<T: Float>(
    y: &mut [T],
    bias: Option<&[T]>,
    activation: Activation,
    channels: usize,
    n: usize,
) {
    if y.is_empty() || (bias.is_none() && activation == Activation::Identity) {
        return;
    }
    team::split(
        team::Rows::new(y, n),
        (1 << 14) / n.min(1 << 14),
        |first, y| {
            for (i, y) in y.chunks_exact_mut(n).enumerate() {
                let bias = bias.map_or(T::ZERO, |bias| bias[(first + i) % channels]);
                for y in y {
                    *y += bias;
                    if activation == Activation::Relu && *y < T::ZERO {
                        *y = T::ZERO;
                    }
                }
            }
        },
    );
}
