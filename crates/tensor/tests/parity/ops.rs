//! PyTorch's names and what we call in their place: one line for each operation.

use crate::case::Case;
use eras_tensor::{
    AttentionOptions, ConvOptions, Interpolation, PadMode, Pairing, Resize, Tensor, Window,
};

/// The results of a call by their stored names, the one that gradients are taken of first.
pub(crate) type Results = Vec<(&'static str, Tensor)>;
pub(crate) type Op = fn(&Case) -> Results;

/// Cases in which we differ on purpose, and why.
pub(crate) const DIFFERENT: &[(&str, &str)] = &[(
    "sign/not_finite",
    "sign(NaN) stays NaN, as in NumPy: what is wrong must not look right",
)];

/// One line for each operation: its name in `testdata`, and the call.
macro_rules! calls {
    ($( $name:literal => |$c:ident| $call:expr; )*) => {
        pub(crate) fn table() -> Vec<(&'static str, Op)> {
            vec![$( ($name, |$c: &Case| $crate::ops::into_results($call)) ),*]
        }
    };
}
pub(crate) use calls;

/// A call with `N` standing for the number of axes of space.
macro_rules! in_space {
    ($c:ident, $N:ident => $call:expr) => {
        match $c.x(0).rank() {
            3 => {
                const $N: usize = 1;
                $call
            }
            4 => {
                const $N: usize = 2;
                $call
            }
            _ => {
                const $N: usize = 3;
                $call
            }
        }
    };
}

calls! {
    // Of one number.
    "abs" => |c| c.x(0).abs();
    "acos" => |c| c.x(0).acos();
    "acosh" => |c| c.x(0).acosh();
    "asin" => |c| c.x(0).asin();
    "asinh" => |c| c.x(0).asinh();
    "atan" => |c| c.x(0).atan();
    "atanh" => |c| c.x(0).atanh();
    "ceil" => |c| c.x(0).ceil();
    "clamp" => |c| c.x(0).clamp(c.number("min"), c.number("max"));
    "cos" => |c| c.x(0).cos();
    "cosh" => |c| c.x(0).cosh();
    "erf" => |c| c.x(0).erf();
    "erfc" => |c| c.x(0).erfc();
    "exp" => |c| c.x(0).exp();
    "exp2" => |c| c.x(0).exp2();
    "expm1" => |c| c.x(0).exp_m1();
    "floor" => |c| c.x(0).floor();
    "frac" => |c| c.x(0).frac();
    "log" => |c| c.x(0).ln();
    "log10" => |c| c.x(0).log10();
    "log1p" => |c| c.x(0).ln_1p();
    "log2" => |c| c.x(0).log2();
    "neg" => |c| c.x(0).neg();
    "reciprocal" => |c| c.x(0).recip();
    "round" => |c| c.x(0).round();
    "rsqrt" => |c| c.x(0).rsqrt();
    "sign" => |c| c.x(0).sign();
    "sin" => |c| c.x(0).sin();
    "sinh" => |c| c.x(0).sinh();
    "sqrt" => |c| c.x(0).sqrt();
    "square" => |c| c.x(0).sqr();
    "tan" => |c| c.x(0).tan();
    "tanh" => |c| c.x(0).tanh();
    "trunc" => |c| c.x(0).trunc();

    // Activations.
    "celu" => |c| c.x(0).celu(c.number_or("alpha", 1.0));
    "elu" => |c| c.x(0).elu(c.number_or("alpha", 1.0));
    "gelu" => |c| if c.text("approximate") == "tanh" { c.x(0).gelu_tanh() } else { c.x(0).gelu() };
    "glu" => |c| c.x(0).glu(c.whole("dim"));
    "hardshrink" => |c| c.x(0).hardshrink(c.number_or("lambd", 0.5));
    "hardsigmoid" => |c| c.x(0).hardsigmoid();
    "hardswish" => |c| c.x(0).hardswish();
    "hardtanh" => |c| c.x(0).hardtanh(c.number_or("min_val", -1.0), c.number_or("max_val", 1.0));
    "leaky_relu" => |c| c.x(0).leaky_relu(c.number_or("negative_slope", 0.01));
    "logsigmoid" => |c| c.x(0).log_sigmoid();
    "mish" => |c| c.x(0).mish();
    "prelu" => |c| c.x(0).prelu(c.x(1));
    "relu" => |c| c.x(0).relu();
    "relu6" => |c| c.x(0).relu6();
    "selu" => |c| c.x(0).selu();
    "sigmoid" => |c| c.x(0).sigmoid();
    "silu" => |c| c.x(0).silu();
    "softplus" => |c| c.x(0).softplus(c.number_or("beta", 1.0), c.number_or("threshold", 20.0));
    "softshrink" => |c| c.x(0).softshrink(c.number_or("lambd", 0.5));
    "softsign" => |c| c.x(0).softsign();
    "swiglu" => |c| c.x(0).swiglu(c.x(1));
    "tanhshrink" => |c| c.x(0).tanhshrink();
    "threshold" => |c| c.x(0).threshold(c.number("threshold"), c.number("value"));

    // Of two.
    "add" => |c| c.x(0) + c.x(1);
    "atan2" => |c| c.x(0).atan2(c.x(1));
    "div" => |c| c.x(0) / c.x(1);
    "eq" => |c| c.x(0).eq(c.x(1));
    "fmod" => |c| c.x(0).fmod(c.x(1));
    "ge" => |c| c.x(0).ge(c.x(1));
    "gt" => |c| c.x(0).gt(c.x(1));
    "le" => |c| c.x(0).le(c.x(1));
    "lerp" => |c| c.x(0).lerp(c.x(1), c.number("weight"));
    "lt" => |c| c.x(0).lt(c.x(1));
    "maximum" => |c| c.x(0).maximum(c.x(1));
    "minimum" => |c| c.x(0).minimum(c.x(1));
    "mul" => |c| c.x(0) * c.x(1);
    "ne" => |c| c.x(0).ne(c.x(1));
    "pow" => |c| match c.inputs.get(1) {
        Some(exponent) => c.x(0).pow(exponent),
        None => c.x(0).powf(c.number("exponent")),
    };
    "remainder" => |c| c.x(0).remainder(c.x(1));
    "sub" => |c| c.x(0) - c.x(1);
    "where" => |c| c.mask(0).where_(c.x(1), c.x(2));

    // Reductions.
    "amax" => |c| reduce(c, |x, axes| x.amax(axes), |x, axes| x.amax_keepdim(axes));
    "amin" => |c| reduce(c, |x, axes| x.amin(axes), |x, axes| x.amin_keepdim(axes));
    "argmax" => |c| if c.has("dim") { c.x(0).argmax(c.whole("dim")) } else { flat(c.x(0)).argmax(0) };
    "argmin" => |c| if c.has("dim") { c.x(0).argmin(c.whole("dim")) } else { flat(c.x(0)).argmin(0) };
    "cumsum" => |c| c.x(0).cumsum(c.whole("dim"));
    "logsumexp" => |c| reduce(c, |x, axes| x.logsumexp(axes), |x, axes| x.logsumexp_keepdim(axes));
    "mean" => |c| reduce(c, |x, axes| x.mean(axes), |x, axes| x.mean_keepdim(axes));
    "norm" => |c| {
        let p = c.number("p");
        if c.flag("keepdim") { c.x(0).norm_keepdim(p, c.axes()) } else { c.x(0).norm(p, c.axes()) }
    };
    "prod" => |c| reduce(c, |x, axes| x.prod(axes), |x, axes| x.prod_keepdim(axes));
    "sort" => |c| {
        let (sorted, indices) = c.x(0).sort(c.whole("dim"), c.flag("descending"));
        [("output", sorted), ("indices", indices)]
    };
    "std" => |c| {
        let n = c.whole("correction") as usize;
        if c.flag("keepdim") { c.x(0).std_keepdim(n, c.axes()) } else { c.x(0).std(n, c.axes()) }
    };
    "sum" => |c| reduce(c, |x, axes| x.sum(axes), |x, axes| x.sum_keepdim(axes));
    "topk" => |c| {
        // The smallest are the largest of the negated.
        let sign = if c.flag("largest") { 1.0 } else { -1.0 };
        let (values, indices) = (c.x(0) * sign).topk(c.whole("k") as usize, c.whole("dim"));
        [("output", values * sign), ("indices", indices)]
    };
    "var" => |c| {
        let n = c.whole("correction") as usize;
        if c.flag("keepdim") { c.x(0).var_keepdim(n, c.axes()) } else { c.x(0).var(n, c.axes()) }
    };

    // Products.
    "conv" => |c| match c.text("activation") {
        "relu" => c.x(0).conv_relu(c.x(1), c.inputs.get(2), &filter(c)),
        _ => c.x(0).conv(c.x(1), c.inputs.get(2), &filter(c)),
    };
    "conv_transpose" => |c| {
        let y = c.x(0).conv_transpose(c.x(1), c.inputs.get(2), &filter(c));
        if c.text("activation") == "relu" { y.relu() } else { y }
    };
    "einsum" => |c| Tensor::einsum(c.text("equation"), &c.inputs);
    "gelu_linear" => |c| if c.text("approximate") == "tanh" {
        c.x(0).gelu_tanh_linear(c.x(1), c.inputs.get(2))
    } else {
        c.x(0).gelu_linear(c.x(1), c.inputs.get(2))
    };
    "linear" => |c| match c.text("activation") {
        "relu" => c.x(0).linear_relu(c.x(1), c.inputs.get(2)),
        "gelu" => c.x(0).linear(c.x(1), c.inputs.get(2)).gelu(),
        "tanh" => c.x(0).linear(c.x(1), c.inputs.get(2)).tanh(),
        _ => c.x(0).linear(c.x(1), c.inputs.get(2)),
    };
    "attention" => |c| c.x(0).attention(c.x(1), c.x(2), &attention_options(c));
    "rotary" => |c| {
        let pairing = match c.text("pairing") {
            "halves" => Pairing::Halves,
            _ => Pairing::Interleaved,
        };
        c.x(0).rotary(c.x(1), c.x(2), pairing)
    };
    "matmul" => |c| if c.has("transpose") { c.x(0).t().matmul(&c.x(1).t()) } else { c.x(0).matmul(c.x(1)) };

    // Images.
    "adaptive_avg_pool" => |c| in_space!(c, N => c.x(0).adaptive_avg_pool::<N>(sizes(c, "output_size")));
    "adaptive_max_pool" => |c| in_space!(c, N => c.x(0).adaptive_max_pool::<N>(sizes(c, "output_size")));
    "avg_pool" => |c| in_space!(c, N => c.x(0).avg_pool(window::<N>(c)));
    "fold" => |c| c.x(0).fold(sizes(c, "output_size"), window::<2>(c));
    "interpolate" => |c| in_space!(c, N => c.x(0).interpolate(size::<N>(c), interpolation(c)));
    "max_pool" => |c| in_space!(c, N => c.x(0).max_pool(window::<N>(c)));
    "pixel_shuffle" => |c| c.x(0).pixel_shuffle(c.whole("upscale_factor") as usize);
    "pixel_unshuffle" => |c| c.x(0).pixel_unshuffle(c.whole("downscale_factor") as usize);
    "unfold" => |c| c.x(0).unfold(window::<2>(c));

    // Normalizations.
    "batch_norm" => |c| batch_norm(c);
    "group_norm" => |c| c.x(0).group_norm(c.whole("num_groups") as usize, c.inputs.get(1), c.inputs.get(2), c.number("eps"));
    "layer_norm" => |c| c.x(0).layer_norm(normalized(c), c.inputs.get(1), c.inputs.get(2), c.number("eps"));
    "rms_norm" => |c| c.x(0).rms_norm(normalized(c), c.inputs.get(1), c.number("eps"));
    "log_softmax" => |c| c.x(0).log_softmax(c.whole("dim"));
    "softmax" => |c| c.x(0).softmax(c.whole("dim"));

    // By index and by place.
    "concat" => |c| Tensor::concat(&c.inputs, c.whole("dim"));
    "embedding" => |c| c.x(1).embedding(c.x(0), c.has("padding_idx").then(|| c.whole("padding_idx") as usize));
    "flip" => |c| c.x(0).flip(c.list("dims"));
    "gather" => |c| c.x(0).gather(c.whole("dim"), c.x(1));
    "index_add" => |c| c.x(0).index_add(c.whole("dim"), c.x(1), c.x(2));
    "index_select" => |c| c.x(0).index_select(c.whole("dim"), c.x(1));
    "masked_fill" => |c| c.x(0).masked_fill(&c.mask(1), c.number("value"));
    "one_hot" => |c| c.x(0).one_hot(c.whole("num_classes") as usize);
    "pad" => |c| {
        // PyTorch's pairs begin with the last axis.
        let widths: Vec<(isize, isize)> = c.list("pad").chunks(2).map(|pair| (pair[0], pair[1])).rev().collect();
        let mode = match c.text("mode") {
            "reflect" => PadMode::Reflect,
            "replicate" => PadMode::Replicate,
            "circular" => PadMode::Circular,
            _ => PadMode::Constant(c.number("value")),
        };
        c.x(0).pad(&widths, mode)
    };
    "repeat" => |c| c.x(0).repeat(&c.list("repeats").iter().map(|&n| n as usize).collect::<Vec<_>>());
    "roll" => |c| {
        let moves = c.list("dims").into_iter().zip(c.list("shifts"));
        moves.fold(c.x(0).clone(), |x, (d, shift)| x.roll(d, shift))
    };
    "scatter" => |c| c.x(0).scatter(c.whole("dim"), c.x(1), c.x(2));
    "scatter_add" => |c| c.x(0).scatter_add(c.whole("dim"), c.x(1), c.x(2));
    "stack" => |c| Tensor::stack(&c.inputs, c.whole("dim"));
    "tril" => |c| c.x(0).tril(c.whole("diagonal"));
    "triu" => |c| c.x(0).triu(c.whole("diagonal"));
}

/// A reduction over the axes `dim`, which stay or are dropped.
fn reduce(
    c: &Case,
    drop: fn(&Tensor, Vec<isize>) -> Tensor,
    keep: fn(&Tensor, Vec<isize>) -> Tensor,
) -> Tensor {
    if c.flag("keepdim") {
        keep(c.x(0), c.axes())
    } else {
        drop(c.x(0), c.axes())
    }
}

/// How the filter of a convolution moves.
fn filter(c: &Case) -> ConvOptions {
    let numbers = |name: &str| {
        c.list(name)
            .into_iter()
            .map(|n| n as usize)
            .collect::<Vec<_>>()
    };
    let mut options = ConvOptions::new().groups(c.number_or("groups", 1.0) as usize);
    if c.has("stride") {
        options = options.stride(&numbers("stride")[..]);
    }
    if c.has("dilation") {
        options = options.dilation(&numbers("dilation")[..]);
    }
    if c.has("output_padding") {
        options = options.output_padding(&numbers("output_padding")[..]);
    }
    match c.text("padding") {
        "same" => options.padding_same(),
        _ if c.has("padding") => options.padding(&numbers("padding")[..]),
        _ => options,
    }
}

/// A number for each axis of space.
fn sizes<const N: usize>(c: &Case, option: &str) -> [usize; N] {
    let sizes: Vec<usize> = c.list(option).into_iter().map(|n| n as usize).collect();
    sizes.try_into().expect("one for each axis")
}

/// What attention sees; a fourth argument is a mask of bytes, or a bias.
fn attention_options(c: &Case) -> AttentionOptions {
    let mut options = AttentionOptions::new();
    options.causal = c.flag("causal");
    options.scale = c.has("scale").then(|| c.number("scale"));
    options.window = c.has("window").then(|| c.number("window") as usize);
    if c.flag("alibi") {
        options = options.alibi(AttentionOptions::alibi_slopes(2));
    }
    match c.inputs.get(3) {
        Some(bias) if bias.dtype().is_float() => options.bias(bias),
        Some(_) => options.mask(&c.mask(3)),
        None => options,
    }
}

/// Where pooling looks.
fn window<const N: usize>(c: &Case) -> Window<N> {
    let mut window = Window::new(sizes(c, "kernel_size"));
    if c.has("stride") {
        window = window.stride(sizes::<N>(c, "stride"));
    }
    if c.has("padding") {
        window = window.padding(sizes::<N>(c, "padding"));
    }
    if c.has("dilation") {
        window = window.dilation(sizes::<N>(c, "dilation"));
    }
    window.ceil = c.flag("ceil_mode");
    window.count_padding = !c.has("count_include_pad") || c.flag("count_include_pad");
    window
}

fn size<const N: usize>(c: &Case) -> Resize<N> {
    if c.has("size") {
        return Resize::To(sizes(c, "size"));
    }
    Resize::By(
        c.numbers("scale_factor")
            .try_into()
            .expect("one for each axis"),
    )
}

fn interpolation(c: &Case) -> Interpolation {
    match c.text("mode") {
        "nearest" => Interpolation::Nearest,
        _ => Interpolation::Linear {
            align_corners: c.flag("align_corners"),
        },
    }
}

fn flat(x: &Tensor) -> Tensor {
    x.reshape([x.len()])
}

fn normalized(c: &Case) -> Vec<usize> {
    let shape = c.list("normalized_shape");
    shape.into_iter().map(|n| n as usize).collect()
}

/// With the running statistics, as PyTorch updates them.
fn batch_norm(c: &Case) -> [(&'static str, Tensor); 3] {
    let [x, w, b, mean, variance] = &c.inputs[..] else {
        panic!("{} wants five inputs", c.name)
    };
    let (momentum, eps) = (c.number("momentum"), c.number("eps"));
    if !c.flag("training") {
        let y = x.batch_norm_given(mean, variance, Some(w), Some(b), eps);
        let (mean, variance) = (mean.clone(), variance.clone());
        return [
            ("output", y),
            ("running_mean", mean),
            ("running_var", variance),
        ];
    }
    let (y, batch_mean, batch_variance) = x.batch_norm(Some(w), Some(b), eps);
    let n = (x.len() / mean.len()) as f64;
    let moved = |old: &Tensor, new: &Tensor| old * (1.0 - momentum) + new * momentum;
    let unbiased = batch_variance * (n / (n - 1.0));
    [
        ("output", y),
        ("running_mean", moved(mean, &batch_mean)),
        ("running_var", moved(variance, &unbiased)),
    ]
}

/// A call gives one tensor, or several by name.
pub(crate) trait IntoResults {
    fn into_results(self) -> Results;
}
impl IntoResults for Tensor {
    fn into_results(self) -> Results {
        vec![("output", self)]
    }
}
impl<const N: usize> IntoResults for [(&'static str, Tensor); N] {
    fn into_results(self) -> Results {
        self.into()
    }
}
pub(crate) fn into_results(results: impl IntoResults) -> Results {
    results.into_results()
}
