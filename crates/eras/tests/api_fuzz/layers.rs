//! Layers, initializers and what layers are made of.

use super::random::length;
use super::{Entry, Random, entries};
use eras::nn::{
    self, Activation, AdaptiveAvgPool, AdaptiveMaxPool, AvgPool, BatchNorm, Buffer, Conv,
    ConvTranspose, Dense, Dropout, Dropout2d, Embedding, Fan, Flatten, Fold, GlobalAvgPool,
    GlobalMaxPool, GroupNorm, Identity, Init, InstanceNorm, Layer, LayerNorm, Linear, Lora,
    MaxPool, Maxout, Mode, Module, MultiHeadAttention, Param, PixelShuffle, PixelUnshuffle,
    Reshape, RmsNorm, Rotary, Sequential, SpectralNorm, Unfold, Upsample, WeightNorm,
};
use eras::{AttentionOptions, Dtype, Tensor};

pub(crate) const LAYERS: &[Entry] = entries! {
    Linear: |r| {
        let (n, m) = (r.size(), r.size());
        let layer = match r.below(3) {
            0 => Linear::new(n, m, &mut r.rng()),
            1 => Linear::no_bias(n, m, &mut r.rng()),
            _ => Linear::with_init(n, m, init(r), &mut r.rng()),
        };
        let x = ending_in(r, n);
        if r.flag() { layer.forward_after(activation(r), &x) } else { layer.forward(&x) }
    };
    Dense: |r| {
        let (n, m) = (r.size(), r.size());
        let layer = if r.flag() {
            Dense::new(n, m, &mut r.rng()).relu()
        } else {
            Dense::with_init(n, m, init(r), &mut r.rng()).activation(activation(r))
        };
        layer.forward(&ending_in(r, n))
    };
    Conv1d: |r| convolution::<1>(r);
    Conv2d: |r| convolution::<2>(r);
    Conv3d: |r| convolution::<3>(r);
    ConvTranspose1d: |r| transposed::<1>(r);
    ConvTranspose2d: |r| transposed::<2>(r);
    ConvTranspose3d: |r| transposed::<3>(r);
    MaxPool1d: |r| max_pool::<1>(r);
    MaxPool2d: |r| max_pool::<2>(r);
    MaxPool3d: |r| max_pool::<3>(r);
    AvgPool1d: |r| avg_pool::<1>(r);
    AvgPool2d: |r| avg_pool::<2>(r);
    AvgPool3d: |r| avg_pool::<3>(r);
    AdaptiveMaxPool: |r| {
        let layer: AdaptiveMaxPool<2> = AdaptiveMaxPool::new(r.size());
        layer.forward(&r.of(&[2, 1, 4, 5], Dtype::F32))
    };
    AdaptiveAvgPool: |r| {
        let layer: AdaptiveAvgPool<3> = AdaptiveAvgPool::new(r.size());
        layer.forward(&r.of(&[2, 1, 4, 5, 2], Dtype::F32))
    };
    GlobalAvgPool: |r| GlobalAvgPool.forward(&r.floats());
    GlobalMaxPool: |r| GlobalMaxPool.forward(&r.floats());
    Upsample: |r| {
        let layer = if r.flag() { Upsample::by(r.number()) } else { Upsample::to(r.size()) };
        let layer = match r.below(3) {
            0 => layer,
            1 => layer.linear(),
            _ => layer.linear_corners(),
        };
        let first = r.below(3);
        layer.forward(&r.of(&[&[2, 1], &[3, 2, 2][first..]].concat(), Dtype::F32))
    };
    PixelShuffle: |r| PixelShuffle::new(r.size()).forward(&r.of(&[2, 4, 2, 3], Dtype::F32));
    PixelUnshuffle: |r| PixelUnshuffle::new(r.size()).forward(&r.of(&[2, 4, 2, 4], Dtype::F32));
    Unfold: |r| {
        let mut layer = Unfold::new(r.pick(&[1, 2, 3]));
        match r.below(4) {
            0 => layer = layer.stride(r.size()),
            1 => layer = layer.padding(r.size()),
            2 => layer = layer.dilation(r.size()),
            _ => {}
        }
        layer.forward(&r.of(&[2, 1, 4, 5], Dtype::F32))
    };
    Fold: |r| {
        let mut layer = Fold::new([3, 4], 2);
        match r.below(4) {
            0 => layer = layer.stride(r.size()),
            1 => layer = layer.padding(r.size()),
            2 => layer = layer.dilation(r.size()),
            _ => {}
        }
        layer.forward(&r.of(&[2, 4, 6], Dtype::F32))
    };
    MultiHeadAttention: |r| {
        let heads = r.pick(&[1, 2, 4]);
        let groups = r.pick(&[1, 2]);
        let mut layer = match r.below(4) {
            0 => MultiHeadAttention::new(8, heads, &mut r.rng()),
            1 => MultiHeadAttention::grouped(8, heads, groups, &mut r.rng()),
            2 => MultiHeadAttention::separate(8, 3, heads, groups, &mut r.rng()),
            _ => MultiHeadAttention::grouped(r.size(), r.size(), r.size(), &mut r.rng()),
        };
        if r.flag() {
            layer = layer.no_bias();
        }
        if r.once_in(3) {
            layer = layer.rotary(Rotary::new(2, 10, 100.0));
        }
        if r.once_in(3) {
            layer = layer.dropout(r.part());
        }
        let mut options = AttentionOptions::new();
        options.causal = r.flag();
        let x = r.of(&[2, 3, 8], Dtype::F32);
        match r.below(3) {
            0 => layer.forward(&x, &options, &mode(r)),
            1 => {
                let columns = r.pick(&[3, 8]);
                let memory = r.of(&[2, 4, columns], Dtype::F32);
                layer.forward_cross(&x, &memory, &options, &mode(r))
            }
            _ => {
                let (start, other) = (r.size(), r.of(&[2, 3, 8], Dtype::F32));
                let (q, k, v) = layer.project(&x, start);
                let (q, (k, v)) = if r.flag() {
                    (layer.queries(&x, 0), layer.keys_values(&other, start))
                } else {
                    (q, (k, v))
                };
                layer.attend(&q, &k, &v, &options, &mode(r))
            }
        }
    };
    Rotary: |r| {
        let mut layer = if r.flag() {
            Rotary::new(r.size(), r.pick(&[0, 3, 20]), r.number())
        } else {
            let of = if r.flag() { vec![1.0, r.number()] } else { Rotary::frequencies(r.size(), r.number()) };
            Rotary::with_frequencies(&of, r.pick(&[0, 3, 20]))
        };
        if r.flag() {
            layer = layer.interleaved();
        }
        let x = r.of(&[2, 2, 3, 4], Dtype::F32);
        if r.flag() {
            layer.forward(&x, r.size())
        } else {
            let dims: &[usize] = if r.flag() { &[3] } else { &[2, 3] };
            layer.forward_at(&x, &r.indices(dims, layer.places()))
        }
    };
    InstanceNorm: |r| {
        let x = r.floats_of_rank(4);
        let channels = if r.once_in(9) { r.size() } else { length(&x, 1) };
        let norm = InstanceNorm::new(channels).eps(r.part());
        if r.flag() { norm.affine() } else { norm }.forward(&x)
    };
    SpectralNorm: |r| {
        let layer = Linear::new(3, 2, &mut r.rng());
        let norm = SpectralNorm::new(layer, &mut r.rng());
        let y = norm.forward(&ending_in(r, 3), &mode(r));
        assert_eq!(norm.into_layer().weight.shape(), [2, 3]);
        y
    };
    WeightNorm: |r| {
        let norm = WeightNorm::new(Conv::<1>::new(3, 2, 2, &mut r.rng()));
        let y = norm.forward(&r.of(&[2, 3, 4], Dtype::F32));
        assert_eq!(norm.into_layer().weight.shape(), [2, 3, 2]);
        y
    };
    Lora: |r| {
        let base = Linear::new(3, 2, &mut r.rng());
        let pattern = r.pick(&["*", "weight", "bias", ""]);
        match Lora::new(base, pattern, r.size(), r.number(), &mut r.rng()) {
            Ok(lora) => {
                let x = ending_in(r, 3);
                assert_eq!((lora.names().count(), lora.base().weight.is_frozen()), (1, true));
                lora.model().forward(&x) + lora.merged().forward(&x)
            }
            Err(_) => Tensor::zeros([0]),
        }
    };
    Reshape: |r| { let x = r.tensor(); Reshape::new(r.shape()).forward(&x) };
    Dropout2d: |r| Dropout2d::new(r.number()).forward(&r.floats(), &mode(r));
    Maxout: |r| {
        let n = r.size();
        let layer = if r.flag() {
            Maxout::new(n, r.size(), r.size(), &mut r.rng())
        } else {
            Maxout::with_init(n, r.size(), r.size(), init(r), &mut r.rng())
        };
        layer.forward(&ending_in(r, n))
    };
    Embedding: |r| {
        let (n, m) = (r.size(), r.size());
        let mut layer = Embedding::new(n, m, &mut r.rng());
        if r.once_in(3) {
            layer = Embedding::with_init(n, m, init(r), &mut r.rng());
        }
        if r.flag() {
            layer = layer.padding(r.size());
        }
        layer.forward(&r.indices(&[2, 2], n))
    };
    BatchNorm: |r| {
        let x = r.floats();
        let channels = if r.once_in(9) { r.size() } else { length(&x, 1) };
        BatchNorm::new(channels).eps(r.part()).momentum(r.part()).forward(&x, &mode(r))
    };
    GroupNorm: |r| {
        let x = r.floats_of_rank(3);
        let channels = if r.once_in(9) { r.size() } else { length(&x, 1) };
        GroupNorm::new(r.size(), channels).eps(r.part()).forward(&x)
    };
    LayerNorm: |r| {
        let x = r.floats();
        let layer = match r.below(3) {
            0 => LayerNorm::over(r.shape()),
            1 => LayerNorm::over(x.shape()).no_bias(),
            _ => LayerNorm::new(x.shape().last().copied().unwrap_or(1)),
        };
        layer.eps(r.part()).forward(&x)
    };
    RmsNorm: |r| {
        let x = r.floats();
        let width = if r.once_in(9) { r.size() } else { x.shape().last().copied().unwrap_or(1) };
        RmsNorm::new(width).eps(r.part()).forward(&x)
    };
    Dropout: |r| Dropout::new(r.number()).forward(&r.floats(), &mode(r));
    Flatten: |r| Flatten.forward(&r.tensor());
    Identity: |r| Identity.forward(&r.tensor());
    Activation: |r| {
        let activation = activation(r);
        assert!(activation.gain().is_finite() || !format!("{activation:?}").is_empty());
        activation.forward(&r.floats())
    };
    Sequential: |r| {
        let model = Sequential::new()
            .add(Linear::new(3, 2, &mut r.rng()))
            .add(Activation::Tanh)
            .add(Dropout::new(0.5))
            .add(Flatten);
        assert_eq!(model.layers().len(), 4);
        model.apply(&ending_in(r, 3), &mode(r))
    };
    summary: |r| {
        let model = Linear::new(3, 2, &mut r.rng());
        let summary = nn::summary(&model, if r.flag() { vec![3] } else { r.shape() });
        assert!(!summary.to_string().is_empty());
    };

    // What layers are made of
    Init: |r| init(r).draw(r.shape(), &mut r.rng());
    fans: |r| assert!(nn::fans(r.shape()).0 < usize::MAX);
    Param: |r| {
        let mut param = Param::new(&r.floats());
        param.set(&r.twin(&param.detach()));
        param.freeze(r.flag());
        assert_eq!(param.clone().is_frozen(), param.is_frozen());
        param.tensor_mut().clone()
    };
    Buffer: |r| {
        let buffer = Buffer::new(&r.tensor());
        buffer.set(&r.twin(&buffer.get()));
        buffer.get()
    };
    load_state: |r| {
        let mut layer = Linear::new(3, 2, &mut r.rng());
        let names = ["weight", "bias", "", "weight.weight"];
        let state: Vec<_> = (0..r.below(4))
            .map(|_| (r.pick(&names).to_owned(), r.of(&[2, 3], Dtype::F32)))
            .collect();
        let loaded = layer.load_state(&state);
        assert!(loaded.is_ok() || !loaded.unwrap_err().to_string().is_empty());
        layer.to_dtype(r.dtype());
        let frozen = layer.freeze(r.pick(&["*", "weight", "", "**"])) + layer.unfreeze("bias");
        assert!(frozen <= 3 && layer.count_params() == 8);
    };
};

/// The settings that all convolutions share.
macro_rules! set {
    ($layer:ident, $r:ident) => {
        match $r.below(8) {
            0 => $layer = $layer.stride($r.size()),
            1 => $layer = $layer.stride([1, 2]),
            2 => $layer = $layer.padding($r.size()),
            3 => $layer = $layer.padding_same(),
            4 => $layer = $layer.dilation($r.size()),
            5 => $layer = $layer.groups($r.size()),
            6 => $layer = $layer.no_bias(),
            _ => $layer = $layer.with_init(init($r), &mut $r.rng()),
        }
    };
}

fn convolution<const N: usize>(r: &mut Random) -> Tensor
where
    Conv<N>: Layer,
{
    let (n, m) = (r.size(), r.size());
    let mut layer: Conv<N> = Conv::new(n, m, if r.once_in(9) { r.size() } else { 2 }, &mut r.rng());
    if r.flag() {
        layer = if r.flag() {
            layer.relu()
        } else {
            layer.activation(activation(r))
        };
    }
    for _ in 0..r.below(3) {
        set!(layer, r);
    }
    if r.once_in(5) {
        let channels = if r.once_in(5) { r.size() } else { m };
        layer.fold_norm(&BatchNorm::new(channels).eps(r.part()));
    }
    layer.forward(&r.of(&[&[2, n.min(20)], &[4; N][..]].concat(), Dtype::F32))
}

/// The settings that pooling has.
macro_rules! pool {
    ($pool:ident, $r:ident) => {{
        let mut layer: $pool<N> = $pool::new(if $r.once_in(9) { $r.size() } else { 2 });
        match $r.below(6) {
            0 => layer = layer.stride($r.size()),
            1 => layer = layer.padding($r.size()),
            2 => layer = layer.dilation($r.size()),
            3 => layer = layer.stride([1, 2]),
            4 => layer = layer.ceil(),
            _ => {}
        }
        layer
    }};
}

fn max_pool<const N: usize>(r: &mut Random) -> Tensor {
    let layer = pool!(MaxPool, r);
    layer.forward(&r.of(&[&[2, 1], &[4; N][..]].concat(), Dtype::F32))
}

fn avg_pool<const N: usize>(r: &mut Random) -> Tensor {
    let mut layer = pool!(AvgPool, r);
    if r.once_in(3) {
        layer = layer.no_padding_counted();
    }
    layer.forward(&r.of(&[&[2, 1], &[4; N][..]].concat(), Dtype::F32))
}

fn transposed<const N: usize>(r: &mut Random) -> Tensor
where
    ConvTranspose<N>: Layer,
{
    let (n, m) = (r.size(), r.size());
    let kernel = if r.once_in(9) { r.size() } else { 2 };
    let mut layer: ConvTranspose<N> = ConvTranspose::new(n, m, kernel, &mut r.rng());
    if r.flag() {
        layer = if r.flag() {
            layer.relu()
        } else {
            layer.activation(activation(r))
        };
    }
    for _ in 0..r.below(3) {
        set!(layer, r);
    }
    if r.once_in(3) {
        layer = layer.output_padding(r.size());
    }
    layer.forward(&r.of(&[&[2, n.min(20)], &[3; N][..]].concat(), Dtype::F32))
}

fn mode(r: &mut Random) -> Mode {
    let mode = if r.flag() {
        Mode::train(r.size() as u64, r.size() as u64)
    } else if r.flag() {
        Mode::eval_of(r.size() as u64, r.size() as u64)
    } else {
        Mode::eval()
    };
    mode.fork()
}

/// Mostly floats of which the last dimension has this length.
fn ending_in(r: &mut Random, n: usize) -> Tensor {
    let extra = r.below(3);
    r.of(&[2, 2, n.min(20)][extra..], Dtype::F32)
}

fn activation(r: &mut Random) -> Activation {
    let number = r.number();
    r.pick(&[
        Activation::Identity,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu(number),
        Activation::Elu(number),
        Activation::Selu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Mish,
        Activation::Softplus,
        Activation::Softsign,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::HardSigmoid,
        Activation::HardSwish,
        Activation::LogSigmoid,
    ])
}

fn init(r: &mut Random) -> Init {
    let (a, b) = (r.number(), r.number());
    let fan = r.pick(&[Fan::In, Fan::Out, Fan::Average]);
    r.pick(&[
        Init::zeros(),
        Init::ones(),
        Init::Identity,
        Init::uniform(a, b),
        Init::normal(a, b),
        Init::truncated_normal(a, b),
        Init::TruncatedNormal {
            mean: a,
            std: 1.0,
            low: b,
            high: b + 1.0,
        },
        Init::TruncatedNormal {
            mean: 0.0,
            std: a,
            low: -1.0,
            high: b,
        },
        Init::glorot_uniform(),
        Init::glorot_normal(),
        Init::xavier_uniform(a),
        Init::xavier_normal(a),
        Init::he_uniform(),
        Init::he_normal(),
        Init::kaiming_uniform(a, fan),
        Init::kaiming_normal(a, fan),
        Init::lecun_uniform(),
        Init::lecun_normal(),
        Init::orthogonal(a),
    ])
}
