//! Convolution and transposed convolution, in one, two and three axes of space.
//!
//! One form lies behind both and behind all their gradients: `T(x, w, y) = Σ y · (x ⋆ w)`, linear in each of the three.
//! A convolution is its derivative by `y`, a transposed one that by `x`, and the third is the gradient of a weight. The
//! derivative of any of them by one of its two factors is another of the three: so gradients of every order run on
//! kernels.

use super::ConvOptions;
use crate::dtype::with_float;
use crate::shape::Dims;
use crate::tape::{record, record_fused};
use crate::{Dtype, Tensor, count};
use eras_kernels::conv::{self as kernel, Shape};
use eras_kernels::matmul::Activation;

impl Tensor {
    /// The convolution of images, sequences or volumes with a filter that moves over their one, two or three axes of
    /// space (in truth a correlation: the filter is not turned, as everywhere in the field).
    ///
    /// Shapes: `x (B, in, *space)`, `weight (out, in / groups, *kernel)`, `bias (out)` to `(B, out, *space')`, where
    /// each axis of space has `(n + padding - dilation (k - 1) - 1) / stride + 1` places.
    ///
    /// In `f32`, filters of 3 x 3 over many channels go by Winograd's way (Lavin & Gray 2015, arXiv:1509.09308): where `x` is
    /// infinite, results nearby may be NaN.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[1.0f32, 2.0, 4.0, 8.0]]]); // (B, C, T)
    /// let w = Tensor::from([[[1.0f32, -1.0]]]);
    /// let y = x.conv(&w, None, &ConvOptions::new());
    /// assert_eq!(y.to_vec::<f32>(), [-1.0, -2.0, -4.0]);
    ///
    /// let (images, filter) = (Tensor::ones([2, 3, 8, 8]), Tensor::ones([16, 3, 3, 3]));
    /// let y = images.conv(&filter, None, &ConvOptions::new().stride(2).padding(1));
    /// assert_eq!(y.shape(), [2, 16, 4, 4]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, the kernel reaches over the padded input, or the dtypes differ or are no floats.
    #[must_use]
    #[track_caller]
    pub fn conv(&self, weight: &Self, bias: Option<&Self>, options: &ConvOptions) -> Self {
        let form = options.forward("conv", self, weight, bias);
        convolution(self, weight, bias, Activation::Identity, form)
    }

    /// `max(x ⋆ w + b, 0)`: [`conv`](Self::conv) and [`relu`](Self::relu) in one pass.
    ///
    /// # Panics
    /// As `conv`.
    #[must_use]
    #[track_caller]
    pub fn conv_relu(&self, weight: &Self, bias: Option<&Self>, options: &ConvOptions) -> Self {
        let form = options.forward("conv_relu", self, weight, bias);
        convolution(self, weight, bias, Activation::Relu, form)
    }

    /// The transposed convolution: each element of `x` lays the filter, times itself, on the result, which is larger.
    /// It is the gradient of [`conv`](Self::conv) by its input.
    ///
    /// Shapes: `x (B, in, *space)`, `weight (in, out / groups, *kernel)`, `bias (out)` to `(B, out, *space')`, where
    /// each axis of space has `stride (n - 1) + dilation (k - 1) + 1 - padding + output_padding` places; with the
    /// padding `same`, `stride n`.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let x = Tensor::from([[[1.0f32, 2.0]]]); // (B, C, T)
    /// let w = Tensor::from([[[1.0f32, 10.0, 100.0]]]);
    /// let y = x.conv_transpose(&w, None, &ConvOptions::new().stride(2));
    /// assert_eq!(y.to_vec::<f32>(), [1.0, 10.0, 102.0, 20.0, 200.0]);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit, nothing is left of the result, or the dtypes differ or are no floats.
    #[must_use]
    #[track_caller]
    pub fn conv_transpose(
        &self,
        weight: &Self,
        bias: Option<&Self>,
        options: &ConvOptions,
    ) -> Self {
        let form = options.transposed("conv_transpose", self, weight, bias);
        transposed(self, weight, bias, form)
    }
}

/// The parts of the form `T(x, w, y)`, of shapes that fit.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) shape: Shape,
    /// How many axes of space there are.
    pub(super) axes: usize,
}

impl Form {
    fn dims(&self, first: usize, second: usize, space: [usize; 3]) -> Dims {
        Dims::from([&[first, second], &space[3 - self.axes..]].concat())
    }

    fn x(&self) -> Dims {
        self.dims(
            self.shape.batch,
            self.shape.groups * self.shape.c_in,
            self.shape.input,
        )
    }

    fn w(&self) -> Dims {
        self.dims(
            self.shape.groups * self.shape.c_out,
            self.shape.c_in,
            self.shape.kernel,
        )
    }

    fn y(&self) -> Dims {
        self.dims(
            self.shape.batch,
            self.shape.groups * self.shape.c_out,
            self.shape.output,
        )
    }

    /// Counts one of the three products: each takes as many operations.
    fn count(&self) {
        let Shape {
            batch,
            groups,
            c_in,
            c_out,
            kernel,
            output,
            ..
        } = self.shape;
        let volume = |space: [usize; 3]| space.iter().fold(1, |n: usize, d| n.saturating_mul(*d));
        let size = (c_out, c_in.saturating_mul(volume(kernel)), volume(output));
        count::product(batch.saturating_mul(groups), size);
    }
}

/// The derivative by `y`, without history.
#[track_caller]
fn by_y(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
    form: &Form,
) -> Tensor {
    form.count();
    let [x, w] = [x, w].map(|x| x.detach().in_line());
    let bias = bias.map(|bias| bias.detach().in_line());
    with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), form.y(), |y| {
        let bias = bias.as_ref().map(Tensor::data::<T>);
        kernel::forward(y, x.data(), w.data(), bias, activation, &form.shape);
    }))
}

/// The derivative by `x`, without history.
#[track_caller]
fn by_x(y: &Tensor, w: &Tensor, bias: Option<&Tensor>, form: &Form) -> Tensor {
    form.count();
    let [y, w] = [y, w].map(|x| x.detach().in_line());
    let bias = bias.map(|bias| bias.detach().in_line());
    with_float!(y.dtype(), T => Tensor::build::<T>(y.dtype(), form.x(), |x| {
        let bias = bias.as_ref().map(Tensor::data::<T>);
        kernel::by_input(x, y.data(), w.data(), bias, Activation::Identity, &form.shape);
    }))
}

/// The derivative by `w`, without history.
#[track_caller]
fn by_w(x: &Tensor, y: &Tensor, form: &Form) -> Tensor {
    form.count();
    let [x, y] = [x, y].map(|x| x.detach().in_line());
    with_float!(x.dtype(), T => Tensor::build::<T>(x.dtype(), form.w(), |w| {
        kernel::by_weight(w, x.data(), y.data(), &form.shape);
    }))
}

/// A convolution, on the tape.
#[track_caller]
fn convolution(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
    form: Form,
) -> Tensor {
    if x.dtype().is_half() {
        let [wide, w] = [x, w].map(|x| x.to_dtype(Dtype::F32));
        let bias = bias.map(|bias| bias.to_dtype(Dtype::F32));
        return convolution(&wide, &w, bias.as_ref(), activation, form).to_dtype(x.dtype());
    }
    let y = by_y(x, w, bias, activation, &form);
    // A handle without history stands where there is no bias.
    let inputs = [x, w, bias.unwrap_or(&w.detach())].map(Tensor::clone);
    let [x, w, b] = inputs.each_ref();
    let with_bias = bias.is_some();
    match activation {
        Activation::Identity => {
            let (left, right) = (x.clone(), w.clone());
            record("conv", y, [x, w, b], move |back| {
                [
                    back.want(0, || transposed(back.dy, &right, None, form)),
                    back.want(1, || gradient(&left, back.dy, form)),
                    back.want(2, || over_channels(back.dy)),
                ]
            })
        }
        Activation::Relu => {
            let (left, right, result) = (x.detach(), w.detach(), y.clone());
            record_fused(
                "conv_relu",
                y,
                [x, w, b],
                move |[x, w, b]| {
                    let bias = with_bias.then_some(b);
                    convolution(x, w, bias, Activation::Identity, form).relu()
                },
                move |back| {
                    let (g, mut db) = before_relu(back.dy, &result);
                    [
                        back.want(0, || by_x(&g, &right, None, &form)),
                        back.want(1, || by_w(&left, &g, &form)),
                        db.take().filter(|_| back.wants(2)),
                    ]
                },
            )
        }
    }
}

/// A transposed convolution, on the tape.
#[track_caller]
fn transposed(y: &Tensor, w: &Tensor, bias: Option<&Tensor>, form: Form) -> Tensor {
    if y.dtype().is_half() {
        let [wide, w] = [y, w].map(|x| x.to_dtype(Dtype::F32));
        let bias = bias.map(|bias| bias.to_dtype(Dtype::F32));
        return transposed(&wide, &w, bias.as_ref(), form).to_dtype(y.dtype());
    }
    let x = by_x(y, w, bias, &form);
    let (left, right) = (y.clone(), w.clone());
    record(
        "conv_transpose",
        x,
        [y, w, bias.unwrap_or(&w.detach())],
        move |back| {
            [
                back.want(0, || {
                    convolution(back.dy, &right, None, Activation::Identity, form)
                }),
                back.want(1, || gradient(back.dy, &left, form)),
                back.want(2, || over_channels(back.dy)),
            ]
        },
    )
}

/// The gradient of a weight, on the tape.
fn gradient(x: &Tensor, y: &Tensor, form: Form) -> Tensor {
    let w = by_w(x, y, &form);
    let (left, right) = (x.clone(), y.clone());
    record("conv_weight", w, [x, y], move |back| {
        [
            back.want(0, || transposed(&right, back.dy, None, form)),
            back.want(1, || {
                convolution(&left, back.dy, None, Activation::Identity, form)
            }),
        ]
    })
}

/// The gradient before a ReLU that gave `y`, and its sum over batch and space, in one pass.
fn before_relu(dy: &Tensor, y: &Tensor) -> (Tensor, Option<Tensor>) {
    let (dy, dtype) = (dy.detach().in_line(), y.dtype());
    with_float!(dtype, T => {
        let mut g = None;
        let db = Tensor::build::<T>(dtype, [y.shape()[1]].into(), |db| {
            g = Some(Tensor::build::<T>(dtype, y.dims(), |g| {
                kernel::relu_bias_backward(g, db, dy.data(), y.data(), y.shape()[0]);
            }));
        });
        (g.expect("just built"), Some(db))
    })
}

/// The sum over batch and space `(C)`: the gradient of a bias.
fn over_channels(dy: &Tensor) -> Tensor {
    let axes: Vec<usize> = (0..dy.rank()).filter(|d| *d != 1).collect();
    dy.sum(axes)
}

/// What [`Tensor::conv`] means: each axis unfolded to `(kernel, output)` by index, then a sum of products.
#[cfg(test)]
fn definition(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, form: &Form) -> Tensor {
    let Shape {
        groups,
        c_in,
        c_out,
        ..
    } = form.shape;
    let (mut folded, first) = (x.clone(), 3 - form.axes);
    for i in first..3 {
        let Shape {
            input,
            kernel,
            output,
            stride,
            dilation,
            before,
            ..
        } = &form.shape;
        let at: Vec<i64> = (0..kernel[i])
            .flat_map(|t| (0..output[i]).map(move |p| (p * stride[i] + t * dilation[i]) as i64))
            .collect();
        let reach = at.iter().max().map_or(0, |last| last + 1) as isize;
        let mut widths = vec![(0, 0); 3 - i];
        widths[0] = (before[i] as isize, reach - (before[i] + input[i]) as isize);
        let axis = 2 + 2 * (i - first);
        folded = folded
            .pad(&widths, crate::PadMode::Constant(0.0))
            .index_select(axis, &Tensor::from(at));
        let mut dims = folded.shape().to_vec();
        dims[axis] = output[i];
        dims.insert(axis, kernel[i]);
        folded = folded.reshape(dims);
    }
    let equation = [
        "bcfz,ocf->boz",
        "bceyfz,ocef->boyz",
        "bcdxeyfz,ocdef->boxyz",
    ][form.axes - 1];
    let parts: Vec<Tensor> = (0..groups)
        .map(|g| {
            let x = folded.narrow(1, g * c_in, c_in);
            Tensor::einsum(equation, &[x, w.narrow(0, g * c_out, c_out)])
        })
        .collect();
    let y = Tensor::concat(&parts, 1);
    match bias {
        Some(bias) => y + along(bias, form.axes),
        None => y,
    }
}

/// `(C)` as `(C, 1, ..)`.
#[cfg(test)]
fn along(bias: &Tensor, axes: usize) -> Tensor {
    bias.reshape([&[bias.len()], &[1, 1, 1][..axes]].concat())
}

/// What [`Tensor::conv_transpose`] means: the gradient of a convolution by its input.
#[cfg(test)]
fn transposed_definition(y: &Tensor, w: &Tensor, bias: Option<&Tensor>, form: &Form) -> Tensor {
    let x = Tensor::zeros(form.x()).to_dtype(y.dtype()).requires_grad();
    let dx = crate::grad(&definition(&x, w, None, form), &[&x], Some(y)).remove(0);
    match bias {
        Some(bias) => dx + along(bias, form.axes),
        None => dx,
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    use crate::checks::{Check, normal};
    let new = ConvOptions::new;
    let samples: [(&[usize], &[usize], ConvOptions); 18] = [
        (&[2, 3, 5], &[4, 3, 2], new()),
        (&[1, 1, 1], &[1, 1, 1], new()),
        (&[2, 4, 9], &[6, 2, 3], new().groups(2).stride(2).padding(1)),
        (&[0, 3, 5], &[4, 3, 2], new()),
        (&[2, 0, 5], &[4, 0, 2], new()),
        (&[2, 3, 5], &[0, 3, 2], new()),
        (&[2, 3, 6, 5], &[4, 3, 3, 3], new()),
        (&[2, 2, 4, 5], &[3, 2, 1, 1], new()),
        (&[1, 2, 7, 6], &[3, 2, 3, 2], new().padding_same()),
        (
            &[1, 2, 7, 6],
            &[3, 2, 4, 3],
            new().padding_same().stride([2, 3]),
        ),
        (&[2, 3, 6, 7], &[6, 1, 3, 3], new().groups(3).padding(1)),
        (
            &[1, 2, 9, 8],
            &[2, 2, 3, 2],
            new().dilation([2, 3]).padding([2, 0]),
        ),
        (
            &[1, 2, 5, 4],
            &[3, 2, 2, 3],
            new().padding_uneven([0, 3], [2, 1]).stride(3),
        ),
        (&[1, 2, 3, 2], &[2, 2, 2, 2], new().stride(4).padding(3)),
        (&[3, 16, 11, 10], &[20, 16, 3, 3], new().padding(1)),
        (&[2, 5, 40], &[33, 5, 5], new().padding(2)),
        (&[1, 2, 4, 3, 5], &[3, 2, 2, 3, 2], new().padding([1, 1, 0])),
        (
            &[1, 2, 5, 4, 4],
            &[4, 1, 3, 2, 2],
            new()
                .groups(2)
                .stride([2, 1, 2])
                .dilation([1, 2, 1])
                .padding_same(),
        ),
    ];
    let (mut conv, mut relu) = (Check::new("conv"), Check::new("conv_relu"));
    let mut transpose = Check::new("conv_transpose");
    for (x, w, options) in samples {
        let form = {
            let zeros = |dims: &[usize]| Tensor::zeros(dims);
            move || options.forward("conv", &zeros(x), &zeros(w), None)
        };
        let (image, weight, bias) = (normal(x, 1), normal(w, 2), normal([w[0]], 3));
        conv = conv
            .case([image.clone(), weight.clone(), bias.clone()], move |x| {
                x[0].conv(&x[1], Some(&x[2]), &options)
            })
            .defined_by(move |x| definition(&x[0], &x[1], Some(&x[2]), &form()));
        relu = relu
            .case([image.clone(), weight.clone(), bias], move |x| {
                x[0].conv_relu(&x[1], Some(&x[2]), &options)
            })
            .defined_by(move |x| definition(&x[0], &x[1], Some(&x[2]), &form()).relu())
            .case([image, weight], move |x| {
                x[0].conv_relu(&x[1], None, &options)
            });
    }
    let samples: [(&[usize], &[usize], ConvOptions); 12] = [
        (&[2, 3, 5], &[3, 4, 2], new()),
        (
            &[2, 4, 5],
            &[4, 3, 3],
            new().groups(2).stride(2).padding(1).output_padding(1),
        ),
        (&[0, 3, 5], &[3, 4, 2], new()),
        (&[2, 3, 5], &[3, 0, 2], new()),
        (&[2, 3, 4, 3], &[3, 2, 4, 4], new().stride(2).padding(1)),
        (
            &[2, 3, 4, 3],
            &[3, 2, 3, 2],
            new().stride([3, 2]).padding_same(),
        ),
        (
            &[1, 3, 3, 3],
            &[3, 2, 2, 2],
            new().stride(3).output_padding(2),
        ),
        (&[1, 4, 3, 3], &[4, 1, 3, 3], new().groups(4).padding(1)),
        (
            &[1, 2, 3, 4],
            &[2, 3, 2, 3],
            new().dilation([3, 2]).output_padding([2, 0]),
        ),
        (&[2, 20, 7, 7], &[20, 17, 4, 4], new().stride(2).padding(1)),
        (
            &[1, 2, 2, 3, 2],
            &[2, 3, 2, 2, 3],
            new().stride([2, 1, 2]).padding([0, 1, 1]),
        ),
        (&[1, 2, 2, 2, 3], &[2, 2, 2, 2, 2], new().stride(2)),
    ];
    for (x, w, options) in samples {
        let form = move || options.transposed("", &Tensor::zeros(x), &Tensor::zeros(w), None);
        let bias = normal([w[1] * options.groups], 3);
        let (image, weight) = (normal(x, 1), normal(w, 2));
        transpose = transpose
            .case([image.clone(), weight.clone(), bias], move |x| {
                x[0].conv_transpose(&x[1], Some(&x[2]), &options)
            })
            .defined_by(move |x| transposed_definition(&x[0], &x[1], Some(&x[2]), &form()))
            .case([image, weight], move |x| {
                x[0].conv_transpose(&x[1], None, &options)
            });
    }
    // In f32 by Winograd's way: 9 sums of 32 products each meet in a result. With factors of variance 0.77 and 4 a sum
    // comes to √(32 · 3.1) = 10; each of its steps rounds by u/√3 of what is there, those of nine sums together by
    // u/√3 · √(9 · 3.1 · 32² / 2) = 4e-6. Six roundings of the factors add 2.5e-6, those behind the sums 2e-6. Five times
    // the whole, 5.3e-6, among 2,800 results.
    let many = Check::new("conv").f32_within(1.3e-6, 3e-5).case(
        [
            normal([2, 32, 6, 5], 1),
            normal([33, 32, 3, 3], 2),
            normal([33], 3),
        ],
        |x| x[0].conv(&x[1], Some(&x[2]), &ConvOptions::new().padding([1, 2])),
    );
    let form = || {
        let zeros = |dims: &[usize]| Tensor::zeros(dims);
        let options = ConvOptions::new().padding([1, 2]);
        options.forward(
            "conv",
            &zeros(&[2, 32, 6, 5]),
            &zeros(&[33, 32, 3, 3]),
            None,
        )
    };
    let many = many.defined_by(move |x| definition(&x[0], &x[1], Some(&x[2]), &form()));
    let zeros = |dims: &[usize]| Tensor::zeros(dims);
    vec![
        many,
        conv.bad("conv: x [3, 4] must be (B, C, *space) with 1 to 3 axes of space", move || {
            zeros(&[3, 4]).conv(&zeros(&[2, 4]), None, &new())
        })
        .bad(
            "conv: weight [2, 3, 3] must be (out, in / groups, *kernel) with 2 axes of space",
            move || zeros(&[1, 3, 4, 4]).conv(&zeros(&[2, 3, 3]), None, &new()),
        )
        .bad(
            "conv: x [1, 4, 5] cannot meet weight [2, 3, 3] with groups 1: wanted 3 channels in each group",
            move || zeros(&[1, 4, 5]).conv(&zeros(&[2, 3, 3]), None, &new()),
        )
        .bad("conv: x [1, 6, 5] cannot meet weight [3, 3, 3] with groups 2", move || {
            zeros(&[1, 6, 5]).conv(&zeros(&[3, 3, 3]), None, &new().groups(2))
        })
        .bad(
            "conv: the filter of weight [1, 1, 3] spans 5 places, but x [1, 1, 2] has 4 with its padding",
            move || zeros(&[1, 1, 2]).conv(&zeros(&[1, 1, 3]), None, &new().dilation(2).padding(1)),
        )
        .bad("conv: stride [1, 2] names 2 axes of space, but x has 1", move || {
            zeros(&[1, 1, 4]).conv(&zeros(&[1, 1, 3]), None, &new().stride([1, 2]))
        })
        .bad("conv: stride [0] and dilation [1] must be at least 1", move || {
            zeros(&[1, 1, 4]).conv(&zeros(&[1, 1, 3]), None, &new().stride(0))
        })
        .bad("conv: wanted at least 1 group, got 0", move || {
            zeros(&[1, 1, 4]).conv(&zeros(&[1, 1, 3]), None, &new().groups(0))
        })
        .bad("conv: bias f32 [3] must be f32 [2] to meet weight [2, 1, 3]", move || {
            zeros(&[1, 1, 4]).conv(&zeros(&[2, 1, 3]), Some(&zeros(&[3])), &new())
        })
        .bad("conv: x f64 meets weight f32", move || {
            zeros(&[1, 1, 4]).to_dtype(Dtype::F64).conv(&zeros(&[2, 1, 3]), None, &new())
        })
        .bad("conv: wants floats", move || {
            zeros(&[1, 1, 4]).to_dtype(Dtype::I64).conv(&zeros(&[2, 1, 3]), None, &new())
        }),
        relu.bad("conv_relu: x [3, 4] must be (B, C, *space)", move || {
            zeros(&[3, 4]).conv_relu(&zeros(&[2, 4]), None, &new())
        }),
        transpose
            .bad(
                "conv_transpose: x [1, 4, 5] cannot meet weight [3, 2, 3] with groups 1: wanted 3 channels",
                move || zeros(&[1, 4, 5]).conv_transpose(&zeros(&[3, 2, 3]), None, &new()),
            )
            .bad(
                "conv_transpose: output_padding 2 must be below the stride 1 or the dilation 1",
                move || zeros(&[1, 3, 5]).conv_transpose(&zeros(&[3, 2, 3]), None, &new().output_padding(2)),
            )
            .bad(
                "conv_transpose: x [1, 3, 1] and weight [3, 2, 3] make 3 places, of which the padding cuts 4",
                move || zeros(&[1, 3, 1]).conv_transpose(&zeros(&[3, 2, 3]), None, &new().padding(2)),
            )
            .bad("conv_transpose: bias f32 [2] must be f32 [4]", move || {
                let (x, w) = (zeros(&[1, 4, 5]), zeros(&[4, 2, 3]));
                x.conv_transpose(&w, Some(&zeros(&[2])), &new().groups(2))
            }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;

    #[test]
    fn a_filter_by_hand() {
        let x = Tensor::from([[[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]]]);
        let w = Tensor::from([[[[1.0f32, 10.0], [0.0, -1.0]]]]).requires_grad();
        let y = x.conv(&w, Some(&Tensor::from([0.5f32])), &ConvOptions::new());
        // 1 + 20 - 5 + 0.5, 2 + 30 - 6 + 0.5
        assert_eq!(y.to_vec::<f32>(), [16.5, 26.5]);
        let dw = y.sum(..).backward()[&w].to_vec::<f32>();
        assert_eq!(dw, [3.0, 5.0, 9.0, 11.0]);
    }

    #[test]
    fn same_padding_puts_the_odd_zero_behind() {
        let x = Tensor::from([[[1.0f32, 2.0, 3.0]]]);
        let w = Tensor::from([[[1.0f32, 10.0]]]);
        let y = x.conv(&w, None, &ConvOptions::new().padding_same());
        assert_eq!(y.to_vec::<f32>(), [21.0, 32.0, 3.0]);
        let y = x.conv(&w, None, &ConvOptions::new().padding_same().stride(2));
        assert_eq!(y.to_vec::<f32>(), [21.0, 3.0]);
    }

    #[test]
    fn depthwise_channels_do_not_see_each_other() {
        let x = Tensor::from([[[1.0f32, 2.0], [3.0, 4.0]]]);
        let w = Tensor::from([[[1.0f32]], [[10.0]]]);
        let y = x.conv(&w, None, &ConvOptions::new().groups(2));
        assert_eq!(y.to_vec::<f32>(), [1.0, 2.0, 30.0, 40.0]);
    }

    #[test]
    fn only_the_wanted_gradients_are_computed_and_all_are_counted() {
        let x = Tensor::ones([2, 3, 5, 5]);
        let w = Tensor::ones([4, 3, 3, 3]).requires_grad();
        let flops = count::flops();
        let y = x.conv(&w, None, &ConvOptions::new()).sum(..);
        let one = 2 * (2 * 4 * 3 * 3) * (3 * 3 * 3);
        assert_eq!(count::flops() - flops, one);
        let grads = y.backward();
        assert_eq!((count::flops() - flops, grads.len()), (2 * one, 1));
    }

    #[test]
    fn the_penalty_of_a_gradient_reaches_the_weights() {
        // y = (x ⋆ w)², at one place: |dy/dx|² = 4 (x·w)² w·w, and that by w is 8 (x·w) (w·w) x + 8 (x·w)² w.
        let x = Tensor::from([[[1.0f64, 2.0]]]).requires_grad();
        let w = Tensor::from([[[3.0f64, -1.0]]]).requires_grad();
        let y = x.conv(&w, None, &ConvOptions::new()).sqr().sum(..);
        let dx = grad(&y, &[&x], None).remove(0);
        let dw = dx.sqr().sum(..).backward()[&w].to_vec::<f64>();
        assert_eq!(dw, [8.0 * 10.0 + 8.0 * 3.0, 8.0 * 10.0 * 2.0 - 8.0]);
    }
}
