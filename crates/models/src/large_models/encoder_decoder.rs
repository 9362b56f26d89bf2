//! The two stacks of the Transformer, which read a sequence of vectors and write another (Vaswani et al. 2017, "Attention Is
//! All You Need", arXiv:1706.03762): PyTorch's `nn.Transformer`.
//!
//! ```text
//! encoder    x ← x + attention(x, x, x)                            x ← x + W₂ relu(W₁ x)
//! decoder    y ← y + attention(y, y, y), each on those before it   y ← y + attention(y, x, x)   y ← y + W₂ relu(W₁ y)
//! ```
//!
//! with a layer norm behind each sum, as in the paper (post-norm), or before each function (pre-norm: Xiong et al. 2020,
//! arXiv:2002.04745), which trains without much warming up.
//!
//! Differs from the paper: a norm follows each stack, and shares of attention and hidden units are dropped too, both as in
//! PyTorch.
//!
//! Axes: `B` batch, `S` source, `T` target, `C` channels, `H` heads, `D` per head.

use super::Cache;
use super::cache::{Kept, row_numbers};
use eras_nn::{Dense, Dropout, Init, LayerNorm, Mode, Module, MultiHeadAttention};
use eras_tensor::{AttentionOptions, Rng, Tensor};

/// What an [`EncoderDecoder`] is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct StackConfig {
    /// Channels.
    pub d_model: usize,
    /// Heads of attention.
    pub n_head: usize,
    /// Layers of the encoder.
    pub n_encoder: usize,
    /// Layers of the decoder.
    pub n_decoder: usize,
    /// Hidden units of a layer.
    pub d_ff: usize,
    /// Whether norms stand before what is added, or behind the sums.
    pub norm_first: bool,
    /// The part that is dropped in training.
    pub dropout: f64,
}

impl StackConfig {
    /// The paper's base model: 6 + 6 layers of 512 channels, 8 heads and 2048 hidden units, norms behind the sums, a tenth
    /// dropped. PyTorch's defaults, too.
    #[must_use]
    pub fn base() -> Self {
        Self {
            d_model: 512,
            n_head: 8,
            n_encoder: 6,
            n_decoder: 6,
            d_ff: 2048,
            norm_first: false,
            dropout: 0.1,
        }
    }
}

/// Reads a sequence of vectors and writes another.
///
/// Parameters have the names that PyTorch gives those of `nn.Transformer`, but for attention's: `self_attn.qkv.weight` is its
/// `self_attn.in_proj_weight`, and `out` its `out_proj`.
///
/// ```
/// use eras::models::large_models::{EncoderDecoder, StackConfig};
/// use eras::prelude::*;
///
/// let config = StackConfig { d_model: 16, n_head: 2, n_encoder: 1, n_decoder: 1, d_ff: 32, ..StackConfig::base() };
/// let model = EncoderDecoder::new(config, &mut Rng::new(0));
/// let (source, target) = (Tensor::ones([2, 7, 16]), Tensor::ones([2, 5, 16]));
/// // Of the second example two places are padding.
/// let y = model.forward(&source, &target, Some(&[7, 5]), &Mode::eval());
/// assert_eq!(y.shape(), [2, 5, 16]);
/// ```
#[derive(Debug, Clone, Module)]
pub struct EncoderDecoder {
    #[module(skip)]
    config: StackConfig,
    encoder: Encoder,
    decoder: Decoder,
}

#[derive(Debug, Clone, Module)]
struct Encoder {
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
}

#[derive(Debug, Clone, Module)]
struct Decoder {
    layers: Vec<DecoderLayer>,
    norm: LayerNorm,
}

#[derive(Debug, Clone, Module)]
struct EncoderLayer {
    self_attn: MultiHeadAttention,
    linear1: Dense,
    linear2: Dense,
    norm1: LayerNorm,
    norm2: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    norm_first: bool,
}

#[derive(Debug, Clone, Module)]
struct DecoderLayer {
    self_attn: MultiHeadAttention,
    multihead_attn: MultiHeadAttention,
    linear1: Dense,
    linear2: Dense,
    norm1: LayerNorm,
    norm2: LayerNorm,
    norm3: LayerNorm,
    dropout: Dropout,
    #[module(skip)]
    norm_first: bool,
}

/// What a decoder keeps while it writes: the keys and values of what was read, and of what it has written.
#[derive(Debug, Clone)]
pub struct Writing {
    /// Of each layer, of the source: `(B, H, S, D)` each.
    read: Vec<(Tensor, Tensor)>,
    /// How much of each source is no padding.
    lengths: Option<Vec<usize>>,
    written: Cache,
}

impl Writing {
    /// Tokens that were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether none was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Keeps the rows `rows` of the batch, in that order; one may come more than once, or not at all.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&mut self, rows: &[usize]) {
        let index = row_numbers(rows);
        for (k, v) in &mut self.read {
            *k = k.index_select(0, &index);
            *v = v.index_select(0, &index);
        }
        if let Some(lengths) = &mut self.lengths {
            *lengths = rows.iter().map(|row| lengths[*row]).collect();
        }
        self.written.select(rows);
    }
}

impl EncoderDecoder {
    /// Weights are drawn from Xavier's uniform distribution, as PyTorch does.
    ///
    /// # Panics
    /// If `d_model` is no multiple of `n_head`, or `dropout` is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn new(config: StackConfig, rng: &mut Rng) -> Self {
        let width = config.d_model;
        Self {
            encoder: Encoder {
                layers: (0..config.n_encoder)
                    .map(|_| EncoderLayer::new(&config, rng))
                    .collect(),
                norm: LayerNorm::new(width),
            },
            decoder: Decoder {
                layers: (0..config.n_decoder)
                    .map(|_| DecoderLayer::new(&config, rng))
                    .collect(),
                norm: LayerNorm::new(width),
            },
            config,
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn config(&self) -> &StackConfig {
        &self.config
    }

    /// `source (B, S, C)` and `target (B, T, C)` to `(B, T, C)`: each place of the target sees those before it, and of the
    /// source the first `lengths[b]` places, or all.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn forward(
        &self,
        source: &Tensor,
        target: &Tensor,
        lengths: Option<&[usize]>,
        mode: &Mode,
    ) -> Tensor {
        let memory = self.encode(source, lengths, mode);
        self.decode(target, &memory, lengths, mode)
    }

    /// What the encoder makes of `source (B, S, C)`: `(B, S, C)`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, source: &Tensor, lengths: Option<&[usize]>, mode: &Mode) -> Tensor {
        let (mut x, sight) = (source.clone(), sight(lengths));
        for layer in &self.encoder.layers {
            x = layer.forward(&x, &sight, mode);
        }
        self.encoder.norm.forward(&x)
    }

    /// What the decoder makes of `target (B, T, C)`, with what the encoder made of the source: `(B, T, C)`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn decode(
        &self,
        target: &Tensor,
        memory: &Tensor,
        lengths: Option<&[usize]>,
        mode: &Mode,
    ) -> Tensor {
        self.decode_and(target, memory, lengths, mode, |_, _, _| ())
    }

    /// The shares in which each place of the target looked at those of the source, `(B, H, T, S)` of each layer.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    #[must_use]
    #[track_caller]
    pub fn looks(
        &self,
        target: &Tensor,
        memory: &Tensor,
        lengths: Option<&[usize]>,
    ) -> Vec<Tensor> {
        let (mut all, places) = (Vec::new(), memory.shape()[1]);
        _ = self.decode_and(target, memory, lengths, &Mode::eval(), |q, k, sight| {
            let &[batch, heads, ..] = k.shape() else {
                unreachable!("keys have four axes")
            };
            // Where values are unit vectors, their mean is the shares.
            let index = Tensor::arange(places);
            let units = index.unsqueeze(1).eq(&index).to_dtype(k.dtype());
            let units = units.expand([batch, heads, places, places]);
            all.push(q.attention(k, &units, sight));
        });
        all
    }

    /// [`decode`](Self::decode), which tells queries and keys of each look at the source.
    #[track_caller]
    fn decode_and(
        &self,
        target: &Tensor,
        memory: &Tensor,
        lengths: Option<&[usize]>,
        mode: &Mode,
        mut tell: impl FnMut(&Tensor, &Tensor, &AttentionOptions),
    ) -> Tensor {
        let (mut y, sight) = (target.clone(), sight(lengths));
        let causal = AttentionOptions::new().causal();
        for layer in &self.decoder.layers {
            let back = |y: &Tensor| layer.self_attn.forward(y, &causal, mode);
            let over = |y: &Tensor| {
                let q = layer.multihead_attn.queries(y, 0);
                let (k, v) = layer.multihead_attn.keys_values(memory, 0);
                tell(&q, &k, &sight);
                layer.multihead_attn.attend(&q, &k, &v, &sight, mode)
            };
            y = layer.forward(&y, back, over, mode);
        }
        self.decoder.norm.forward(&y)
    }

    /// Begins to write at most `room` places, with what the encoder made of the source.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn begin(&self, memory: &Tensor, lengths: Option<&[usize]>, room: usize) -> Writing {
        let layers = self.decoder.layers.iter();
        Writing {
            read: layers
                .map(|layer| layer.multihead_attn.keys_values(memory, 0))
                .collect(),
            lengths: lengths.map(<[usize]>::to_vec),
            written: Cache::new(room),
        }
    }

    /// What the decoder makes of `target (B, T, C)`, which follows what was written: `(B, T, C)`. It is written then, too.
    ///
    /// # Panics
    /// If there is no room, or the shapes do not fit.
    #[must_use]
    #[track_caller]
    pub fn write(&self, target: &Tensor, writing: &mut Writing) -> Tensor {
        let (mode, causal) = (Mode::eval(), AttentionOptions::new().causal());
        let (start, room) = (writing.written.len(), writing.written.room());
        let sight = sight(writing.lengths.as_deref());
        let mut y = target.clone();
        let kept = writing
            .written
            .begin(target.shape(), self.decoder.layers.len());
        for ((layer, (k, v)), kept) in self.decoder.layers.iter().zip(&writing.read).zip(kept) {
            y = layer.forward(
                &y,
                |y| look_back(&layer.self_attn, y, kept, start, room, &causal),
                |y| {
                    let q = layer.multihead_attn.queries(y, 0);
                    layer.multihead_attn.attend(&q, k, v, &sight, &mode)
                },
                &mode,
            );
        }
        writing.written.end(target.shape()[1]);
        self.decoder.norm.forward(&y)
    }
}

/// Attention of new places on those that were kept, and themselves.
fn look_back(
    attention: &MultiHeadAttention,
    y: &Tensor,
    kept: &mut Kept,
    start: usize,
    room: usize,
    causal: &AttentionOptions,
) -> Tensor {
    let (q, k, v) = attention.project(y, start);
    let (k, v) = kept.push(&k, &v, start, room);
    attention.attend(&q, &k, &v, causal, &Mode::eval())
}

/// What is no padding is seen.
fn sight(lengths: Option<&[usize]>) -> AttentionOptions {
    match lengths {
        Some(lengths) => AttentionOptions::new().key_lengths(lengths),
        None => AttentionOptions::new(),
    }
}

/// `x + f(norm(x))`, or `norm(x + f(x))`.
fn residual(
    x: &Tensor,
    norm: &LayerNorm,
    norm_first: bool,
    f: impl FnOnce(&Tensor) -> Tensor,
) -> Tensor {
    if norm_first {
        x + f(&norm.forward(x))
    } else {
        norm.forward(&(x + f(x)))
    }
}

fn attention(config: &StackConfig, rng: &mut Rng) -> MultiHeadAttention {
    let mut attention = MultiHeadAttention::new(config.d_model, config.n_head, rng);
    let out = Init::glorot_uniform().draw([config.d_model; 2], rng);
    attention.out.weight.set(&out);
    attention.dropout(config.dropout)
}

fn hidden_units(config: &StackConfig, rng: &mut Rng) -> [Dense; 2] {
    let (width, units) = (config.d_model, config.d_ff);
    [
        Dense::new(width, units, rng).relu(),
        Dense::new(units, width, rng),
    ]
}

impl EncoderLayer {
    fn new(config: &StackConfig, rng: &mut Rng) -> Self {
        let self_attn = attention(config, rng);
        let [linear1, linear2] = hidden_units(config, rng);
        Self {
            self_attn,
            linear1,
            linear2,
            norm1: LayerNorm::new(config.d_model),
            norm2: LayerNorm::new(config.d_model),
            dropout: Dropout::new(config.dropout),
            norm_first: config.norm_first,
        }
    }

    /// `(B, S, C)` to `(B, S, C)`.
    fn forward(&self, x: &Tensor, sight: &AttentionOptions, mode: &Mode) -> Tensor {
        let drop = |x: &Tensor| self.dropout.forward(x, mode);
        let x = residual(x, &self.norm1, self.norm_first, |x| {
            drop(&self.self_attn.forward(x, sight, mode))
        });
        residual(&x, &self.norm2, self.norm_first, |x| {
            drop(&self.linear2.forward(&drop(&self.linear1.forward(x))))
        })
    }
}

impl DecoderLayer {
    fn new(config: &StackConfig, rng: &mut Rng) -> Self {
        let [self_attn, multihead_attn] = [0, 1].map(|_| attention(config, rng));
        let [linear1, linear2] = hidden_units(config, rng);
        let [norm1, norm2, norm3] = [0; 3].map(|_| LayerNorm::new(config.d_model));
        Self {
            self_attn,
            multihead_attn,
            linear1,
            linear2,
            norm1,
            norm2,
            norm3,
            dropout: Dropout::new(config.dropout),
            norm_first: config.norm_first,
        }
    }

    /// `(B, T, C)` to `(B, T, C)`: it looks `back` at what was written, and `over` at what was read.
    fn forward(
        &self,
        y: &Tensor,
        back: impl FnOnce(&Tensor) -> Tensor,
        over: impl FnOnce(&Tensor) -> Tensor,
        mode: &Mode,
    ) -> Tensor {
        let drop = |x: &Tensor| self.dropout.forward(x, mode);
        let y = residual(y, &self.norm1, self.norm_first, |y| drop(&back(y)));
        let y = residual(&y, &self.norm2, self.norm_first, |y| drop(&over(y)));
        residual(&y, &self.norm3, self.norm_first, |y| {
            drop(&self.linear2.forward(&drop(&self.linear1.forward(y))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(norm_first: bool) -> EncoderDecoder {
        let config = StackConfig {
            d_model: 12,
            n_head: 3,
            n_encoder: 2,
            n_decoder: 2,
            d_ff: 20,
            norm_first,
            dropout: 0.1,
        };
        EncoderDecoder::new(config, &mut Rng::new(0))
    }

    fn vectors() -> [Tensor; 2] {
        let rng = &mut Rng::new(1);
        [
            Tensor::randn([2, 6, 12], rng),
            Tensor::randn([2, 5, 12], rng),
        ]
    }

    fn difference(a: &Tensor, b: &Tensor) -> Vec<f32> {
        (a - b).abs().amax(2).to_vec()
    }

    #[test]
    fn the_target_sees_no_place_behind_and_all_of_the_source_but_padding() {
        let ([source, target], mode) = (vectors(), Mode::eval());
        let changed = |x: &Tensor, place: usize| {
            let mut all = x.to_vec::<f32>();
            all[place * 12..][..12].iter_mut().for_each(|x| *x += 1.0); // of the first example
            Tensor::from_slice(&all, x.shape())
        };
        for model in [false, true].map(model) {
            let lengths = Some(&[4, 6][..]);
            let y = model.forward(&source, &target, lengths, &mode);
            let other = model.forward(&source, &changed(&target, 3), lengths, &mode);
            let by_target = difference(&y, &other);
            assert!(by_target[..3].iter().all(|d| *d == 0.0), "{by_target:?}");
            assert!(by_target[3..5].iter().all(|d| *d > 0.0), "{by_target:?}");
            assert!(by_target[5..].iter().all(|d| *d == 0.0), "{by_target:?}");
            let seen = model.forward(&changed(&source, 3), &target, lengths, &mode);
            assert!(difference(&y, &seen)[..5].iter().all(|d| *d > 0.0));
            let padding = model.forward(&changed(&source, 4), &target, lengths, &mode);
            assert_eq!(y.to_vec::<f32>(), padding.to_vec::<f32>());
        }
    }

    #[test]
    fn what_is_written_place_by_place_is_what_is_made_at_once() {
        let ([source, target], mode) = (vectors(), Mode::eval());
        for model in [false, true].map(model) {
            let lengths = Some(&[4, 6][..]);
            let memory = model.encode(&source, lengths, &mode);
            let whole = model.decode(&target, &memory, lengths, &mode);
            let mut writing = model.begin(&memory, lengths, 5);
            let first = model.write(&target.narrow(1, 0, 2), &mut writing);
            assert!((first - whole.narrow(1, 0, 2)).abs().amax(..).item() < 1e-5);
            // The examples change places, and one comes twice.
            writing.select(&[1, 0, 1]);
            let rows = row_numbers(&[1, 0, 1]);
            let (target, whole) = (target.index_select(0, &rows), whole.index_select(0, &rows));
            for i in 2..5 {
                let next = model.write(&target.narrow(1, i, 1), &mut writing);
                assert!((next - whole.narrow(1, i, 1)).abs().amax(..).item() < 1e-5);
            }
            assert_eq!(writing.len(), 5);
        }
    }

    #[test]
    fn looks_are_shares_of_what_is_no_padding() {
        let [source, target] = vectors();
        let model = model(true);
        let lengths = Some(&[4, 6][..]);
        let memory = model.encode(&source, lengths, &Mode::eval());
        let looks = model.looks(&target, &memory, lengths);
        assert_eq!((looks.len(), looks[1].shape()), (2, &[2, 3, 5, 6][..]));
        for look in looks {
            assert!((look.sum(-1) - 1.0).abs().amax(..).item() < 1e-5);
            let padding = look.narrow(0, 0, 1).narrow(3, 4, 2);
            assert_eq!(padding.abs().amax(..).item(), 0.0);
        }
    }

    #[test]
    fn names_are_pytorchs_but_for_attention() {
        let names: Vec<String> = model(false)
            .named_params()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 2 * 12 + 2 * 18 + 4);
        for name in [
            "encoder.layers.0.self_attn.qkv.weight",
            "encoder.layers.1.linear1.bias",
            "encoder.norm.weight",
            "decoder.layers.1.multihead_attn.out.weight",
            "decoder.layers.0.norm3.bias",
            "decoder.norm.bias",
        ] {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
    }
}
