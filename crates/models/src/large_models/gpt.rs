//! GPT: a Transformer that reads from left to right and tells what comes next (Radford et al. 2018, "Improving language
//! understanding by generative pre-training"; Radford et al. 2019, "Language models are unsupervised multitask learners").
//!
//! What came after it in the Llama family (Touvron et al. 2023, arXiv:2302.13971) is a setting each: RMS norm, SwiGLU, rotary
//! positions, heads of queries that share those of keys, sliding windows.
//!
//! Differs from the papers: nothing.
//!
//! Axes: `B` batch, `T` time, `C` channels, `H` heads, `G` heads of keys and values, `D` per head, `V` vocabulary.

use super::{Cache, Rope};
use eras_nn::{
    Activation, Dropout, Embedding, Init, LayerNorm, Linear, Mode, Module, MultiHeadAttention,
    Path, Projections, RmsNorm, Rotary, Visitor, VisitorMut,
};
use eras_tensor::{AttentionOptions, Reduction, Rng, Tensor};
use serde::{Deserialize, Serialize};

/// What a [`Gpt`] is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GptConfig {
    /// Tokens that it knows.
    pub vocab_size: usize,
    /// The most tokens that it sees at once.
    pub context: usize,
    /// Channels.
    pub d_model: usize,
    /// Blocks, one after the other.
    pub n_layer: usize,
    /// Heads of queries.
    pub n_head: usize,
    /// Heads of keys and values; `n_head` is a multiple.
    pub n_kv_head: usize,
    /// Columns of a head.
    pub head_width: usize,
    /// Hidden units of a block.
    pub d_ff: usize,
    /// How it knows where a token stands.
    pub positions: Positions,
    /// What stands before attention, hidden units and output.
    pub norm: NormKind,
    /// Added to the variance, or the mean square.
    pub eps: f64,
    /// What the hidden units do.
    pub units: Units,
    /// Whether queries, keys and values have a bias, and their way back.
    pub bias_qkv: bool,
    /// See above.
    pub bias_out: bool,
    /// Whether the hidden units have a bias.
    pub bias_units: bool,
    /// Whether the output reads the table of tokens.
    pub tied: bool,
    /// Only tokens fewer places away than this are seen.
    pub window: Option<usize>,
    /// The part that is dropped in training: of the embedding, of attention, and of what each block adds.
    pub dropout: f64,
}

/// How a model knows where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Positions {
    /// By a vector for each place.
    Learned,
    /// By turning queries and keys.
    Rotary(Rope),
}

/// What rows are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NormKind {
    /// Layer norm; whether with a bias.
    Layer(bool),
    /// RMS norm.
    Rms,
}

/// What the hidden units of a block do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Units {
    /// GELU.
    Gelu,
    /// GELU by way of tanh, as in GPT-2.
    GeluTanh,
    /// ReLU.
    Relu,
    /// SiLU of one projection times another (Shazeer 2020, arXiv:2002.05202).
    SwiGlu,
}

impl GptConfig {
    /// As GPT-2: learned positions, layer norm, GELU, biases everywhere, an output that reads the table of tokens.
    #[must_use]
    pub fn gpt2(
        vocab_size: usize,
        context: usize,
        d_model: usize,
        n_layer: usize,
        n_head: usize,
    ) -> Self {
        Self {
            vocab_size,
            context,
            d_model,
            n_layer,
            n_head,
            n_kv_head: n_head,
            head_width: d_model.checked_div(n_head).unwrap_or(0),
            d_ff: 4 * d_model,
            positions: Positions::Learned,
            norm: NormKind::Layer(true),
            eps: 1e-5,
            units: Units::GeluTanh,
            bias_qkv: true,
            bias_out: true,
            bias_units: true,
            tied: true,
            window: None,
            dropout: 0.0,
        }
    }

    /// As Llama 2: rotary positions of base 10,000, RMS norm, SwiGLU of `d_ff` units, no biases, an output of its own.
    #[must_use]
    pub fn llama(
        vocab_size: usize,
        context: usize,
        d_model: usize,
        n_layer: usize,
        n_head: usize,
        d_ff: usize,
    ) -> Self {
        Self {
            d_ff,
            positions: Positions::Rotary(Rope::new(10_000.0)),
            norm: NormKind::Rms,
            units: Units::SwiGlu,
            bias_qkv: false,
            bias_out: false,
            bias_units: false,
            tied: false,
            ..Self::gpt2(vocab_size, context, d_model, n_layer, n_head)
        }
    }

    #[track_caller]
    fn check(&self) {
        let Self {
            n_head,
            n_kv_head,
            head_width,
            ..
        } = *self;
        assert!(
            n_kv_head > 0 && n_head > 0 && n_head.is_multiple_of(n_kv_head) && head_width > 0,
            "Gpt: found {n_head} heads of {head_width} columns for {n_kv_head} of keys and values, wanted a multiple"
        );
    }
}

/// A Transformer that reads from left to right and tells what comes next.
///
/// ```
/// use eras::models::large_models::{Gpt, GptConfig};
/// use eras::prelude::*;
///
/// let gpt = Gpt::new(GptConfig::gpt2(65, 32, 16, 2, 4), &mut Rng::new(0));
/// let tokens = Tensor::from([[3i64, 1, 4, 1, 5]]);
/// let logits = gpt.forward(&tokens, &Mode::eval());
/// assert_eq!(logits.shape(), [1, 5, 65]); // what comes after each token
/// ```
#[derive(Debug, Clone, Module)]
pub struct Gpt {
    #[module(skip)]
    config: GptConfig,
    tokens: Embedding,
    positions: Option<Embedding>,
    blocks: Vec<Block>,
    norm: Norm,
    /// Where it is not tied.
    head: Option<Linear>,
}

/// `x + attention(norm(x))`, and the same with hidden units.
#[derive(Debug, Clone, Module)]
struct Block {
    norm1: Norm,
    attention: MultiHeadAttention,
    norm2: Norm,
    units: HiddenUnits,
    dropout: Dropout,
}

#[derive(Debug, Clone)]
enum Norm {
    Layer(LayerNorm),
    Rms(RmsNorm),
}

#[derive(Debug, Clone, Module)]
struct HiddenUnits {
    up: Linear,
    gate: Option<Linear>,
    down: Linear,
    #[module(skip)]
    kind: Units,
}

impl Gpt {
    /// A model with weights drawn as GPT-2's: normal with standard deviation 0.02, and what is added to the stream less, by
    /// the root of how often that is.
    ///
    /// # Panics
    /// If the heads do not divide.
    #[must_use]
    #[track_caller]
    pub fn new(config: GptConfig, rng: &mut Rng) -> Self {
        // Twice a block something is added to the stream.
        let less = 0.02 / ((2 * config.n_layer) as f64).sqrt();
        let inits = [0.02, less].map(|std| Init::normal(0.0, std));
        Self::drawn(config, inits, rng)
    }

    /// A model of zeros, whose weights are to be replaced.
    ///
    /// # Panics
    /// If the heads do not divide.
    #[must_use]
    #[track_caller]
    pub fn blank(config: GptConfig) -> Self {
        Self::drawn(config, [Init::zeros(); 2], &mut Rng::new(0))
    }

    #[track_caller]
    fn drawn(config: GptConfig, inits: [Init; 2], rng: &mut Rng) -> Self {
        config.check();
        let [init, _] = inits;
        let (vocab, d_model) = (config.vocab_size, config.d_model);
        let rotary = match &config.positions {
            Positions::Rotary(rope) => {
                let frequencies = rope.frequencies(config.head_width);
                Some(Rotary::with_frequencies(&frequencies, config.context))
            }
            Positions::Learned => None,
        };
        Self {
            tokens: Embedding::with_init(vocab, d_model, init, rng),
            positions: rotary
                .is_none()
                .then(|| Embedding::with_init(config.context, d_model, init, rng)),
            blocks: (0..config.n_layer)
                .map(|_| Block::new(&config, rotary.as_ref(), inits, rng))
                .collect(),
            norm: Norm::new(&config),
            head: (!config.tied).then(|| linear(d_model, vocab, false, init, rng)),
            config,
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// What comes after each token: `tokens (B, T)` in `i64` to logits `(B, T, V)`.
    ///
    /// # Panics
    /// If there are more tokens than the context has places, or one is not below `V`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, tokens: &Tensor, mode: &Mode) -> Tensor {
        self.logits(&self.hidden(tokens, None, mode))
    }

    /// The mean cross entropy of `targets (B, T)`, which come after `tokens (B, T)`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), or if a target is not below `V`.
    #[must_use]
    #[track_caller]
    pub fn loss(&self, tokens: &Tensor, targets: &Tensor, mode: &Mode) -> Tensor {
        self.loss_of(&self.hidden(tokens, None, mode), targets, None)
    }

    /// As [`forward`](Self::forward) for windows in which several documents lie behind one another, `documents (B, T)` in `i64`
    /// their numbers: none sees another, and each begins at the first place.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), or if `documents` has another shape.
    #[must_use]
    #[track_caller]
    pub fn forward_packed(&self, tokens: &Tensor, documents: &Tensor, mode: &Mode) -> Tensor {
        self.logits(&self.hidden(tokens, Some(documents), mode))
    }

    /// The mean cross entropy of `targets (B, T)`, which come after `tokens (B, T)` of several documents
    /// ([`forward_packed`](Self::forward_packed)); those that are -100 do not count.
    ///
    /// # Panics
    /// As [`forward_packed`](Self::forward_packed), or if a target is not below `V`.
    #[must_use]
    #[track_caller]
    pub fn loss_packed(
        &self,
        tokens: &Tensor,
        documents: &Tensor,
        targets: &Tensor,
        mode: &Mode,
    ) -> Tensor {
        let x = self.hidden(tokens, Some(documents), mode);
        self.loss_of(&x, targets, Some(-100))
    }

    /// What comes after the last of `tokens (B, T)`, which follow those that `cache` has seen: logits `(B, V)`. The cache has
    /// seen them then, too.
    ///
    /// # Panics
    /// If there are no tokens or more than the cache has room for, one is not below `V`, or the cache is of another model or
    /// batch.
    #[must_use]
    #[track_caller]
    pub fn next(&self, tokens: &Tensor, cache: &mut Cache) -> Tensor {
        let (start, room) = (cache.len(), cache.room());
        let mut x = self.embedded(tokens, start, None);
        let rows = tokens.shape()[1];
        assert!(rows > 0, "Gpt: found no tokens, wanted one or more");
        for (block, kept) in self
            .blocks
            .iter()
            .zip(cache.begin(tokens.shape(), self.blocks.len()))
        {
            let mode = Mode::eval();
            let (q, k, v) = block.attention.project(&block.norm1.forward(&x), start);
            let (k, v) = kept.push(&k, &v, start, room);
            let seen = block.attention.attend(&q, &k, &v, &self.sight(), &mode);
            x = block.think(&(x + seen), &mode);
        }
        cache.end(rows);
        self.logits(&x.narrow(1, rows - 1, 1)).squeeze(1)
    }

    /// As [`next`](Self::next) for several texts at once, each with a cache of its own that has seen another number of tokens:
    /// one more token of each, `(N)`, to logits `(N, V)`.
    ///
    /// # Panics
    /// If there are no texts or not as many caches, a cache is full or of another model or a batch, or a token is not below
    /// `V`.
    #[must_use]
    #[track_caller]
    pub fn next_each(&self, tokens: &[u32], caches: &mut [&mut Cache]) -> Tensor {
        let n = tokens.len();
        assert!(
            n > 0 && n == caches.len(),
            "Gpt: found {n} tokens and {} caches, wanted as many and one or more",
            caches.len()
        );
        let ids: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        let starts: Vec<i64> = caches.iter().map(|cache| cache.len() as i64).collect();
        let places = Tensor::from_slice(&starts, [n, 1]);
        let last = starts.iter().max().map_or(0, |start| *start as usize);
        let context = self.config.context;
        assert!(
            last < context,
            "Gpt: found {} tokens, wanted at most {context}, as the context has places",
            last + 1
        );
        let (mode, sight) = (Mode::eval(), self.sight());
        let mut x = self.tokens.forward(&Tensor::from_slice(&ids, [n, 1]));
        if let Some(positions) = &self.positions {
            x = x + positions.forward(&places);
        }
        for (i, block) in self.blocks.iter().enumerate() {
            let attention = &block.attention;
            // At place 0 nothing is turned.
            let (mut q, mut k, v) = attention.project(&block.norm1.forward(&x), 0);
            if let Some(rotary) = &attention.rotary {
                (q, k) = (
                    rotary.forward_at(&q, &places),
                    rotary.forward_at(&k, &places),
                );
            }
            let seen = caches.iter_mut().enumerate().map(|(row, cache)| {
                let [q, k, v] = [&q, &k, &v].map(|x| x.narrow(0, row, 1));
                let (start, room) = (cache.len(), cache.room());
                let kept = &mut cache.begin(&[1, 1], self.blocks.len())[i];
                let (k, v) = kept.push(&k, &v, start, room);
                q.attention(&k, &v, &sight) // (1, H, 1, D)
            });
            let seen = Tensor::concat(&seen.collect::<Vec<_>>(), 0)
                .flatten(1, -1)
                .unsqueeze(1);
            x = block.think(&(x + attention.out.forward(&seen)), &mode);
        }
        for cache in caches {
            cache.end(1);
        }
        self.logits(&x).squeeze(1)
    }

    /// Tokens and where they stand, from `start` on or in their documents: `(B, T)` to `(B, T, C)`.
    #[track_caller]
    fn embedded(&self, tokens: &Tensor, start: usize, documents: Option<&Tensor>) -> Tensor {
        let &[_, rows] = tokens.shape() else {
            panic!("Gpt: tokens {:?} must be (B, T)", tokens.shape())
        };
        let (end, context) = (start + rows, self.config.context);
        assert!(
            end <= context,
            "Gpt: found {end} tokens, wanted at most {context}, as the context has places"
        );
        let x = self.tokens.forward(tokens);
        let Some(positions) = &self.positions else {
            return x;
        };
        let places = match documents {
            Some(documents) => places(documents),
            None => Tensor::arange(end).narrow(0, start, rows),
        };
        x + positions.forward(&places)
    }

    /// `(B, T)` to `(B, T, C)`, before the output.
    #[track_caller]
    fn hidden(&self, tokens: &Tensor, documents: Option<&Tensor>, mode: &Mode) -> Tensor {
        let mut sight = self.sight();
        if let Some(documents) = documents {
            assert_eq!(
                documents.shape(),
                tokens.shape(),
                "Gpt: the documents have another shape than the tokens"
            );
            let (queries, keys) = (documents.unsqueeze(2), documents.unsqueeze(1));
            sight = sight.mask(&queries.eq(&keys).unsqueeze(1)); // (B, 1, T, T)
        }
        let dropout = Dropout::new(self.config.dropout);
        let mut x = dropout.forward(&self.embedded(tokens, 0, documents), mode);
        for block in &self.blocks {
            x = block.forward(&x, &sight, mode);
        }
        x
    }

    /// `(B, T, C)` to `(B, T, V)`.
    fn logits(&self, x: &Tensor) -> Tensor {
        let x = self.norm.forward(x);
        match &self.head {
            Some(head) => head.forward(&x),
            None => x.linear(&self.tokens.weight, None),
        }
    }

    /// The mean cross entropy of what comes after, `targets (B, T)` of which `ignore` does not count, given `x (B, T, C)`: the
    /// logits are never there all at once.
    #[track_caller]
    fn loss_of(&self, x: &Tensor, targets: &Tensor, ignore: Option<i64>) -> Tensor {
        let (weight, bias) = match &self.head {
            Some(head) => (&head.weight, head.bias.as_deref()),
            None => (&self.tokens.weight, None),
        };
        let x = self.norm.forward(x);
        x.linear_cross_entropy(weight, bias, targets, ignore, 0.0, Reduction::Mean)
    }

    /// Which tokens are seen.
    fn sight(&self) -> AttentionOptions {
        let options = AttentionOptions::new().causal();
        match self.config.window {
            Some(window) => options.window(window),
            None => options,
        }
    }
}

/// The place of each token in its document, for the numbers of those, `(B, T)`.
fn places(documents: &Tensor) -> Tensor {
    let &[_, rows] = documents.shape() else {
        unreachable!("the shape of tokens")
    };
    let numbers = documents.to_vec::<i64>();
    let mut places = vec![0i64; numbers.len()];
    for (numbers, places) in numbers
        .chunks_exact(rows.max(1))
        .zip(places.chunks_exact_mut(rows.max(1)))
    {
        for t in 1..rows {
            if numbers[t] == numbers[t - 1] {
                places[t] = places[t - 1] + 1;
            }
        }
    }
    Tensor::from_slice(&places, documents.shape())
}

fn linear(d_in: usize, d_out: usize, bias: bool, init: Init, rng: &mut Rng) -> Linear {
    let mut layer = Linear::with_init(d_in, d_out, init, rng);
    if !bias {
        layer.bias = None;
    }
    layer
}

impl Block {
    fn new(
        config: &GptConfig,
        rotary: Option<&Rotary>,
        [init, less]: [Init; 2],
        rng: &mut Rng,
    ) -> Self {
        let &GptConfig {
            d_model,
            d_ff,
            n_head,
            n_kv_head,
            head_width,
            ..
        } = config;
        let all = (n_head + 2 * n_kv_head) * head_width;
        let gated = config.units == Units::SwiGlu;
        let bias = config.bias_units;
        Self {
            norm1: Norm::new(config),
            attention: MultiHeadAttention {
                project: Projections::Packed(linear(d_model, all, config.bias_qkv, init, rng)),
                out: linear(n_head * head_width, d_model, config.bias_out, less, rng),
                heads: n_head,
                groups: n_kv_head,
                dropout: Dropout::new(config.dropout),
                rotary: rotary.cloned(),
            },
            norm2: Norm::new(config),
            units: HiddenUnits {
                up: linear(d_model, d_ff, bias, init, rng),
                gate: gated.then(|| linear(d_model, d_ff, bias, init, rng)),
                down: linear(d_ff, d_model, bias, less, rng),
                kind: config.units,
            },
            dropout: Dropout::new(config.dropout),
        }
    }

    /// `(B, T, C)` to `(B, T, C)`.
    fn forward(&self, x: &Tensor, sight: &AttentionOptions, mode: &Mode) -> Tensor {
        let seen = self.attention.forward(&self.norm1.forward(x), sight, mode);
        self.think(&(x + self.dropout.forward(&seen, mode)), mode)
    }

    /// The second half.
    fn think(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let thought = self.units.forward(&self.norm2.forward(x));
        x + self.dropout.forward(&thought, mode)
    }
}

impl HiddenUnits {
    fn forward(&self, x: &Tensor) -> Tensor {
        let h = self.up.forward(x); // (B, T, d_ff)
        let activation = match (&self.gate, self.kind) {
            (Some(gate), _) => return self.down.forward(&gate.forward(x).swiglu(&h)),
            (None, Units::Gelu) => Activation::Gelu,
            (None, Units::Relu) => Activation::Relu,
            (None, Units::GeluTanh | Units::SwiGlu) => Activation::GeluTanh,
        };
        self.down.forward_after(activation, &h)
    }
}

impl Norm {
    fn new(config: &GptConfig) -> Self {
        let (width, eps) = (config.d_model, config.eps);
        match config.norm {
            NormKind::Layer(true) => Self::Layer(LayerNorm::new(width).eps(eps)),
            NormKind::Layer(false) => Self::Layer(LayerNorm::new(width).no_bias().eps(eps)),
            NormKind::Rms => Self::Rms(RmsNorm::new(width).eps(eps)),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }
}

impl Module for Norm {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        match self {
            Self::Layer(norm) => norm.visit(path, visitor),
            Self::Rms(norm) => norm.visit(path, visitor),
        }
    }

    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        match self {
            Self::Layer(norm) => norm.visit_mut(path, visitor),
            Self::Rms(norm) => norm.visit_mut(path, visitor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{AdamW, Optimizer};

    #[test]
    fn documents_in_one_window_do_not_see_each_other() {
        let rng = &mut Rng::new(3);
        let numbers = Tensor::from([[0i64, 0, 0, 1, 1, 1, 1, 2]]);
        let tokens = Tensor::from([[3i64, 1, 4, 1, 5, 9, 2, 6]]);
        for config in [
            GptConfig::gpt2(11, 16, 16, 2, 4),
            GptConfig::llama(11, 16, 16, 2, 4, 24),
        ] {
            let mut gpt = Gpt::new(config, rng);
            // Larger than they begin, so that a neighbour would be noticed.
            gpt.for_each_param_mut(&mut |_, w| w.set(&(&**w * 10.0)));
            let packed = gpt.forward_packed(&tokens, &numbers, &Mode::eval());
            let mut losses = Vec::new();
            for (start, len) in [(0, 3), (3, 4), (7, 1)] {
                let own = tokens.narrow(1, start, len);
                let alone = gpt.forward(&own, &Mode::eval());
                let off = (packed.narrow(1, start, len) - &alone)
                    .abs()
                    .amax(..)
                    .item();
                assert!(off < 1e-4, "{off} at {start}");
                if len > 1 {
                    let next = own.narrow(1, 1, len - 1);
                    let loss = gpt.loss(&own.narrow(1, 0, len - 1), &next, &Mode::eval());
                    losses.push((len - 1, loss.item()));
                }
            }
            let targets = Tensor::from([[1i64, 4, -100, 5, 9, 2, -100, -100]]);
            let loss = gpt.loss_packed(&tokens, &numbers, &targets, &Mode::eval());
            let sum: f64 = losses.iter().map(|(n, loss)| *n as f64 * loss).sum();
            assert!(
                (loss.item() - sum / 5.0).abs() < 1e-4,
                "{} {sum}",
                loss.item()
            );
        }
    }

    fn models(dropout: f64) -> [Gpt; 2] {
        let rng = &mut Rng::new(0);
        let gpt2 = GptConfig {
            dropout,
            ..GptConfig::gpt2(11, 12, 16, 2, 4)
        };
        let llama = GptConfig {
            n_kv_head: 2,
            dropout,
            ..GptConfig::llama(11, 12, 16, 2, 4, 24)
        };
        [Gpt::new(gpt2, rng), Gpt::new(llama, rng)]
    }

    fn tokens(n: usize) -> Tensor {
        let all: Vec<i64> = (0..2 * n as i64).map(|i| (i * i + 3) % 11).collect();
        Tensor::from_slice(&all, [2, n])
    }

    #[test]
    fn the_future_does_not_leak_into_the_past() {
        for gpt in models(0.0) {
            let whole = tokens(8);
            let mut other = whole.to_vec::<i64>();
            other[5] = 10 - other[5]; // of the first text
            let other = Tensor::from_slice(&other, [2, 8]);
            let [a, b] = [whole, other].map(|t| gpt.forward(&t, &Mode::eval()));
            let difference = (a - b).abs().amax(2).to_vec::<f32>(); // (2, 8)
            assert!(difference[..5].iter().all(|d| *d == 0.0), "{difference:?}");
            assert!(difference[5..8].iter().all(|d| *d > 0.0), "{difference:?}");
            assert!(difference[8..].iter().all(|d| *d == 0.0), "{difference:?}");
        }
    }

    #[test]
    fn one_token_at_a_time_says_the_same() {
        for gpt in models(0.1) {
            let text = tokens(9);
            let whole = gpt.forward(&text, &Mode::eval()); // (2, 9, 11)
            let mut cache = Cache::new(12);
            // The first four at once.
            let first = gpt.next(&text.narrow(1, 0, 4), &mut cache);
            let mut all = vec![first];
            for i in 4..9 {
                all.push(gpt.next(&text.narrow(1, i, 1), &mut cache));
            }
            assert_eq!(cache.len(), 9);
            let told = Tensor::stack(&all, 1); // (2, 6, 11)
            let difference = (told - whole.narrow(1, 3, 6)).abs().amax(..).item();
            assert!(difference < 1e-5, "{difference}");
        }
    }

    #[test]
    fn tokens_beyond_the_window_are_not_seen() {
        let config = GptConfig {
            window: Some(3),
            n_layer: 1,
            ..models(0.0)[1].config().clone()
        };
        let gpt = Gpt::new(config, &mut Rng::new(1));
        let whole = tokens(6);
        let mut other = whole.to_vec::<i64>();
        other[0] = 10 - other[0];
        let other = Tensor::from_slice(&other, [2, 6]);
        let [a, b] = [whole, other].map(|t| gpt.forward(&t, &Mode::eval()));
        let difference = (a - b).abs().amax(2).to_vec::<f32>();
        assert!(difference[..3].iter().all(|d| *d > 0.0), "{difference:?}");
        assert!(difference[3..].iter().all(|d| *d == 0.0), "{difference:?}");
    }

    #[test]
    fn it_learns_a_text_by_heart() {
        for mut gpt in models(0.0) {
            let text = tokens(12);
            let (x, y) = (text.narrow(1, 0, 11), text.narrow(1, 1, 11));
            let mut adam = AdamW::new(0.01);
            for step in 0..80 {
                let loss = gpt.loss(&x, &y, &Mode::train(0, step));
                adam.step(&mut gpt, &loss.backward());
            }
            let loss = gpt.loss(&x, &y, &Mode::eval()).item();
            assert!(loss < 0.1, "{loss}");
        }
    }

    #[test]
    fn the_weights_are_counted_as_the_papers_count_them() {
        // The table of tokens is the output's, too.
        let small = GptConfig::gpt2(50_257, 1024, 768, 12, 12);
        let (c, v, t) = (768, 50_257, 1024);
        let block = 4 * c * c + 4 * c + 8 * c * c + 5 * c + 4 * c;
        let gpt = Gpt::new(
            GptConfig {
                n_layer: 1,
                ..small
            },
            &mut Rng::new(0),
        );
        assert_eq!(gpt.count_params(), v * c + t * c + block + 2 * c);
        assert_eq!(v * c + t * c + 12 * block + 2 * c, 124_439_808);
    }

    #[test]
    #[should_panic(expected = "Gpt: found 13 tokens, wanted at most 12, as the context has places")]
    fn a_text_longer_than_the_context_is_refused() {
        let _y = models(0.0)[0].forward(&tokens(13), &Mode::eval());
    }
}
