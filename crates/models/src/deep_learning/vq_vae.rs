//! The vector-quantized autoencoder (van den Oord, Vinyals & Kavukcuoglu 2017, "Neural discrete representation learning",
//! arXiv:1711.00937).
//!
//! ```text
//! code        k = argminⱼ ‖z − eⱼ‖         at each place of z = encoder(x)
//! back        x' from decoder(e_k)
//! loss        −ln p(x | e_k) + ‖sg(z) − e_k‖² + β ‖z − sg(e_k)‖²         sg: its gradient is not taken
//! ```
//!
//! The nearest code has no slope: what the decoder says of `e_k` is passed to `z` as it is (straight through). The second
//! term brings codes to where vectors are, the third keeps vectors near their codes.
//!
//! Instead of the second term codes may be running means of the vectors that chose them (the paper's appendix A.1).
//!
//! Differs from the paper: pixels are Bernoulli; a code that is a mean and that hardly any vector chooses begins anew at one of
//! them (Dhariwal et al. 2020, arXiv:2005.00341), without which most codes are never used.
//!
//! Axes: `B` pictures, `C` channels, `H` and `W` height and width, `h = H / 4` and `w = W / 4` those of the grid of codes,
//! `K` codes of `D` numbers.

use eras_nn::{
    Buffer, Conv2d, ConvTranspose2d, Layer, Mode, Module, Param, Path, Visitor, VisitorMut,
};
use eras_tensor::{Reduction, Rng, Tensor, no_grad};

/// The codebook.
///
/// ```
/// use eras::models::deep_learning::Codebook;
/// use eras::prelude::*;
///
/// let book = Codebook::learned(8, 2, &mut Rng::new(0));
/// let z = Tensor::ones([1, 2, 3, 3]); // nine vectors, all alike
/// let found = book.forward(&z, &Mode::eval());
/// assert_eq!(found.codes.shape(), [1, 3, 3]);
/// assert_eq!(book.look_up(&found.codes).to_vec::<f32>(), found.vectors.to_vec::<f32>());
/// ```
#[derive(Debug)]
pub struct Codebook {
    vectors: Vectors,
}

#[derive(Debug)]
enum Vectors {
    /// By their gradient: `(K, D)`.
    Learned(Param),
    /// Running means of what chose them.
    Averaged(Averaged),
}

#[derive(Debug, Module)]
struct Averaged {
    /// `(K, D)`
    weight: Buffer,
    /// How many vectors of a batch choose each: `(K)`.
    counts: Buffer,
    /// The sum of these: `(K, D)`.
    sums: Buffer,
    /// What the past counts.
    decay: f64,
}

/// Vectors, each replaced by the nearest code.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// Which code: `(B, h, w)` in `i64`.
    pub codes: Tensor,
    /// The codes themselves, whose gradient goes to the vectors that they replace: `(B, D, h, w)`.
    pub vectors: Tensor,
    /// How far codes are from the vectors, squared and summed; it moves the vectors: `(B)`.
    pub commitment: Tensor,
    /// The same, where it moves the codes; 0 where codes are means: `(B)`.
    pub pull: Tensor,
}

impl Codebook {
    /// `codes` of `width` numbers from N(0, 1/width), which learn by their gradient.
    ///
    /// # Panics
    /// If there are no codes.
    #[must_use]
    #[track_caller]
    pub fn learned(codes: usize, width: usize, rng: &mut Rng) -> Self {
        Self {
            vectors: Vectors::Learned(Param::new(&Self::first(codes, width, rng))),
        }
    }

    /// `codes` of `width` numbers from N(0, 1/width), which in training become running means of the vectors that chose them; each
    /// batch counts for `1 − decay` (the paper's 0.99).
    ///
    /// # Panics
    /// If there are no codes, or `decay` is not in [0, 1).
    #[must_use]
    #[track_caller]
    pub fn averaged(codes: usize, width: usize, decay: f64, rng: &mut Rng) -> Self {
        assert!(
            (0.0..1.0).contains(&decay),
            "Codebook: found a decay of {decay}, wanted one in [0, 1)"
        );
        let first = Self::first(codes, width, rng);
        Self {
            vectors: Vectors::Averaged(Averaged {
                weight: Buffer::new(&first),
                counts: Buffer::new(&Tensor::ones([codes])),
                sums: Buffer::new(&first),
                decay,
            }),
        }
    }

    #[track_caller]
    fn first(codes: usize, width: usize, rng: &mut Rng) -> Tensor {
        assert!(codes > 0, "Codebook: found no codes, wanted at least 1");
        Tensor::randn([codes, width], rng) / (width.max(1) as f64).sqrt()
    }

    /// The codes: `(K, D)`.
    #[must_use]
    pub fn vectors(&self) -> Tensor {
        match &self.vectors {
            Vectors::Learned(vectors) => (**vectors).clone(),
            Vectors::Averaged(means) => means.weight.get(),
        }
    }

    /// The vectors of `codes (B, h, w)`: `(B, D, h, w)`.
    ///
    /// # Panics
    /// If one is no code.
    #[must_use]
    #[track_caller]
    pub fn look_up(&self, codes: &Tensor) -> Tensor {
        self.vectors().embedding(codes, None).permute([0, 3, 1, 2])
    }

    /// Replaces each vector of `z (B, D, h, w)` by the nearest code. In training, codes that are means move.
    ///
    /// # Panics
    /// If `z` has not the width of the codes.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, z: &Tensor, mode: &Mode) -> Quantized {
        let vectors = self.vectors();
        let fits = z.rank() == 4 && z.shape()[1] == vectors.shape()[1];
        assert!(
            fits,
            "Codebook: found vectors {:?}, wanted (B, D, h, w) to meet codes {:?}",
            z.shape(),
            vectors.shape()
        );
        let &[all, width, height, columns] = z.shape() else {
            unreachable!("rank 4")
        };
        let rows = z
            .permute([0, 2, 3, 1])
            .reshape([all * height * columns, width]);
        let nearest = nearest(&rows, &vectors);
        let codes = nearest.reshape([all, height, columns]);
        let chosen = self.look_up(&codes);
        let apart = |a: &Tensor, b: &Tensor| (a - b).sqr().sum([1, 2, 3]);
        let pull = match &self.vectors {
            Vectors::Learned(_) => apart(&chosen, &z.detach()),
            Vectors::Averaged(_) => Tensor::zeros([all]).to_dtype(z.dtype()),
        };
        if let (Vectors::Averaged(means), true) = (&self.vectors, mode.is_training()) {
            means.move_to(&rows, &nearest, &mut mode.rng());
        }
        let chosen = chosen.detach();
        Quantized {
            codes,
            commitment: apart(z, &chosen),
            pull,
            // Exactly the codes, with the slope of z.
            vectors: chosen + (z - z.detach()),
        }
    }
}

/// The number of the nearest of `codes (K, D)` to each of `rows (N, D)`: `(N)`.
fn nearest(rows: &Tensor, codes: &Tensor) -> Tensor {
    no_grad(|| {
        // ‖r − e‖² without ‖r‖², which is the same for all codes: (N, K)
        (codes.sqr().sum(1) - rows.matmul(&codes.t()) * 2.0).argmin(1)
    })
}

impl Averaged {
    /// Moves codes to `rows (N, D)`, of which each chose one.
    fn move_to(&self, rows: &Tensor, chosen: &Tensor, rng: &mut Rng) {
        /// What chooses a code that is in use, at the least, in the mean of the last batches.
        const RARE: f64 = 0.1;
        no_grad(|| {
            let moved = |old: &Buffer, new: &Tensor| {
                let new = Tensor::zeros_like(&old.get()).index_add(0, chosen, new);
                old.get() * self.decay + new * (1.0 - self.decay)
            };
            let ones = Tensor::ones([rows.shape()[0]]).to_dtype(rows.dtype());
            let counts = moved(&self.counts, &ones);
            let sums = moved(&self.sums, rows);
            // Those that are out of use begin anew at vectors of this batch, as if each had been chosen once.
            let all = counts.len();
            let drawn: Vec<i64> = (0..all)
                .map(|_| rng.below(rows.shape()[0]) as i64)
                .collect();
            let fresh = rows.index_select(0, &Tensor::from(drawn));
            let is_rare = counts.lt(RARE);
            let counts = counts.masked_fill(&is_rare, 1.0);
            let sums = is_rare.unsqueeze(1).where_(&fresh, &sums);
            self.weight.set(&(&sums / counts.unsqueeze(1)));
            self.counts.set(&counts);
            self.sums.set(&sums);
        });
    }
}

/// Its vectors are `weight`, however they learn.
impl Module for Codebook {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        match &self.vectors {
            Vectors::Learned(vectors) => path.within("weight", |path| vectors.visit(path, visitor)),
            Vectors::Averaged(means) => means.visit(path, visitor),
        }
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        match &mut self.vectors {
            Vectors::Learned(vectors) => {
                path.within("weight", |path| vectors.visit_mut(path, visitor))
            }
            Vectors::Averaged(means) => means.visit_mut(path, visitor),
        }
    }
}

/// `x + F(x)` with two convolutions behind rectified units: `(B, C, h, w)`.
#[derive(Debug, Module)]
struct Block {
    look: Conv2d,
    widen: Conv2d,
}

impl Block {
    fn new(channels: usize, rng: &mut Rng) -> Self {
        Self {
            look: Conv2d::new(channels, channels, 3, rng).padding(1).relu(),
            widen: Conv2d::new(channels, channels, 1, rng),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x + self.widen.forward(&self.look.forward(&x.relu()))
    }
}

/// Convolutions down to a grid of codes, and up again: `(B, C, H, W)` to `(B, h, w)` and back.
///
/// ```
/// use eras::models::deep_learning::{Codebook, VqVae};
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let model = VqVae::new(1, 32, Codebook::averaged(64, 16, 0.99, rng), rng);
/// let x = Tensor::zeros([2, 1, 28, 28]);
/// assert_eq!(model.codes(&x).shape(), [2, 7, 7]);
/// assert_eq!(model.draw(&model.codes(&x)).shape(), [2, 1, 28, 28]);
/// ```
#[derive(Debug, Module)]
pub struct VqVae {
    encoder: Encoder,
    /// What vectors are replaced by.
    pub codebook: Codebook,
    decoder: Decoder,
}

#[derive(Debug, Module)]
struct Encoder {
    shrink1: Conv2d,
    shrink2: Conv2d,
    blocks: Vec<Block>,
    output: Conv2d,
}

#[derive(Debug, Module)]
struct Decoder {
    input: Conv2d,
    blocks: Vec<Block>,
    grow1: ConvTranspose2d,
    grow2: ConvTranspose2d,
}

/// A picture on its way: what codes it became, and what came back.
#[derive(Debug, Clone)]
pub struct Coded {
    /// Its vectors, and their codes.
    pub quantized: Quantized,
    /// The log-odds of its pixels: `(B, C, H, W)`.
    pub logits: Tensor,
}

impl VqVae {
    /// For pictures of `channels`, with `hidden` channels inside.
    #[must_use]
    pub fn new(channels: usize, hidden: usize, codebook: Codebook, rng: &mut Rng) -> Self {
        /// Residual blocks on either side.
        const BLOCKS: usize = 2;
        let width = codebook.vectors().shape()[1];
        let mut blocks = || (0..BLOCKS).map(|_| Block::new(hidden, rng)).collect();
        let [down, up] = [blocks(), blocks()];
        Self {
            encoder: Encoder {
                shrink1: Conv2d::new(channels, hidden / 2, 4, rng)
                    .stride(2)
                    .padding(1)
                    .relu(),
                shrink2: Conv2d::new(hidden / 2, hidden, 4, rng).stride(2).padding(1),
                blocks: down,
                output: Conv2d::new(hidden, width, 1, rng),
            },
            codebook,
            decoder: Decoder {
                input: Conv2d::new(width, hidden, 3, rng).padding(1),
                blocks: up,
                grow1: ConvTranspose2d::new(hidden, hidden / 2, 4, rng)
                    .stride(2)
                    .padding(1)
                    .relu(),
                grow2: ConvTranspose2d::new(hidden / 2, channels, 4, rng)
                    .stride(2)
                    .padding(1),
            },
        }
    }

    /// The vectors of `x (B, C, H, W)`, before they are replaced: `(B, D, h, w)`.
    ///
    /// # Panics
    /// If `x` has other channels, or sides that are no multiples of 4.
    #[must_use]
    #[track_caller]
    pub fn encode(&self, x: &Tensor) -> Tensor {
        let fits = x.rank() == 4 && x.shape()[2..].iter().all(|side| side.is_multiple_of(4));
        assert!(
            fits,
            "VqVae: found pictures {:?}, wanted (B, C, H, W) with multiples of 4 as sides",
            x.shape()
        );
        let Encoder {
            shrink1,
            shrink2,
            blocks,
            output,
        } = &self.encoder;
        let mut h = shrink2.forward(&shrink1.forward(x)); // (B, hidden, h, w)
        for block in blocks {
            h = block.forward(&h);
        }
        output.forward(&h.relu())
    }

    /// The log-odds of the pixels of `vectors (B, D, h, w)`: `(B, C, H, W)`.
    ///
    /// # Panics
    /// If they have not the width of the codes.
    #[must_use]
    #[track_caller]
    pub fn decode(&self, vectors: &Tensor) -> Tensor {
        let Decoder {
            input,
            blocks,
            grow1,
            grow2,
        } = &self.decoder;
        let mut h = input.forward(vectors); // (B, hidden, h, w)
        for block in blocks {
            h = block.forward(&h);
        }
        grow2.forward(&grow1.forward(&h.relu()))
    }

    /// `x (B, C, H, W)` by way of its codes.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Coded {
        let quantized = self.codebook.forward(&self.encode(x), mode);
        let logits = self.decode(&quantized.vectors);
        Coded { quantized, logits }
    }

    /// The codes of `x (B, C, H, W)`: `(B, h, w)` in `i64`. Off the tape.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    #[must_use]
    #[track_caller]
    pub fn codes(&self, x: &Tensor) -> Tensor {
        no_grad(|| self.codebook.forward(&self.encode(x), &Mode::eval()).codes)
    }

    /// The pictures of `codes (B, h, w)`, as the probabilities of their pixels: `(B, C, H, W)`. Off the tape.
    ///
    /// # Panics
    /// If one is no code.
    #[must_use]
    #[track_caller]
    pub fn draw(&self, codes: &Tensor) -> Tensor {
        no_grad(|| self.decode(&self.codebook.look_up(codes)).sigmoid())
    }
}

impl Coded {
    /// `−ln p(x | codes)` of each picture of `x (B, C, H, W)`, in nats: `(B)`.
    ///
    /// # Panics
    /// If `x` has not the shape of what came back.
    #[must_use]
    #[track_caller]
    pub fn unlikeliness(&self, x: &Tensor) -> Tensor {
        self.logits
            .bce_with_logits(x, Reduction::None)
            .sum([1, 2, 3])
    }
}

/// Gives `x (B, C, H, W)` back by way of its codes, as probabilities.
impl Layer for VqVae {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.forward(x, mode).logits.sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer};

    /// Vectors, and the number of the nearest code of each by a search through all.
    fn searched(z: &Tensor, codes: &Tensor) -> Vec<i64> {
        let rows = z.permute([0, 2, 3, 1]).to_vec::<f32>();
        let (codes, width) = (codes.to_vec::<f32>(), codes.shape()[1]);
        let apart =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let nearest = |row: &[f32]| {
            let each = codes.chunks_exact(width).map(|code| apart(row, code));
            let best = each.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            best.expect("codes").0 as i64
        };
        rows.chunks_exact(width).map(nearest).collect()
    }

    #[test]
    fn each_vector_gets_the_nearest_code_and_its_slope_passes_unchanged() {
        let rng = &mut Rng::new(0);
        let book = Codebook::learned(7, 3, rng);
        let z = Tensor::randn([2, 3, 4, 5], rng).requires_grad();
        let found = book.forward(&z, &Mode::eval());
        assert_eq!(found.codes.to_vec::<i64>(), searched(&z, &book.vectors()));
        assert_eq!(
            found.vectors.to_vec::<f32>(),
            book.look_up(&found.codes).to_vec::<f32>()
        );
        let slope = Tensor::randn([2, 3, 4, 5], rng);
        let grads = (&found.vectors * &slope).sum(..).backward();
        assert_eq!(grads[&z].to_vec::<f32>(), slope.to_vec::<f32>());
        // Nothing of it goes to the codes, and the optimizer would say so.
        assert!(grads.get(&book.vectors()).is_none());
    }

    #[test]
    fn commitment_moves_vectors_alone_and_the_pull_codes_alone() {
        let rng = &mut Rng::new(1);
        let book = Codebook::learned(4, 2, rng);
        let z = Tensor::randn([1, 2, 3, 3], rng).requires_grad();
        let found = book.forward(&z, &Mode::eval());
        let code = book.look_up(&found.codes).detach();
        let grads = found.commitment.sum(..).backward();
        assert!(grads.get(&book.vectors()).is_none());
        let off = (&grads[&z] - (z.detach() - &code) * 2.0)
            .abs()
            .amax(..)
            .item();
        assert!(off < 1e-6, "{off}");
        let grads = found.pull.sum(..).backward();
        assert!(grads.get(&z).is_none());
        // 2 Σ (e − z) over the vectors of a code; none for one that nobody chose.
        let rows = (code - z.detach()).permute([0, 2, 3, 1]).reshape([9, 2]) * 2.0;
        let wanted = Tensor::zeros([4, 2]).index_add(0, &found.codes.reshape([9]), &rows);
        let off = (&grads[&book.vectors()] - wanted).abs().amax(..).item();
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn codes_that_are_means_become_those_of_the_vectors_that_chose_them() {
        let rng = &mut Rng::new(2);
        let book = Codebook::averaged(3, 2, 0.0, rng);
        let z = Tensor::randn([1, 2, 6, 6], rng);
        let before = book.vectors();
        let found = book.forward(&z, &Mode::eval());
        assert_eq!(
            book.vectors().to_vec::<f32>(),
            before.to_vec::<f32>(),
            "evaluation moves nothing"
        );
        let trained = book.forward(&z, &Mode::train(0, 0));
        assert_eq!(trained.codes.to_vec::<i64>(), found.codes.to_vec::<i64>());
        let rows = z.permute([0, 2, 3, 1]).to_vec::<f32>();
        let codes = found.codes.to_vec::<i64>();
        for (code, vector) in book.vectors().to_vec::<f32>().chunks_exact(2).enumerate() {
            let own = || {
                rows.chunks_exact(2)
                    .zip(&codes)
                    .filter(|(_, c)| **c == code as i64)
            };
            let mean = |k: usize| own().map(|(row, _)| row[k]).sum::<f32>() / own().count() as f32;
            assert!(own().count() > 0, "each code was chosen");
            assert!((vector[0] - mean(0)).abs() < 1e-5 && (vector[1] - mean(1)).abs() < 1e-5);
        }
    }

    #[test]
    fn a_code_that_nobody_chooses_begins_anew_among_the_vectors() {
        let book = Codebook::averaged(2, 1, 0.9, &mut Rng::new(3));
        let [first, second] = [0, 1].map(|i| book.vectors().select(0, i).item());
        // Two heaps on the same side: the farther code is chosen by none.
        let beyond = first + (first - second).signum();
        let z = Tensor::from([beyond as f32, beyond as f32 + 0.25])
            .repeat(&[4])
            .reshape([1, 1, 2, 4]);
        for step in 0..200 {
            let _moved = book.forward(&z, &Mode::train(0, step));
        }
        let mut codes = book.vectors().to_vec::<f32>();
        codes.sort_by(f32::total_cmp);
        let off = [codes[0] - beyond as f32, codes[1] - beyond as f32 - 0.25];
        assert!(off.iter().all(|off| off.abs() < 1e-4), "{codes:?}");
    }

    #[test]
    fn pictures_come_back_through_few_codes_however_these_learn() {
        // Squares of four pixels in one of four places: 8 x 8 pixels, 2 x 2 codes.
        let x: Vec<f32> = (0..4 * 64)
            .map(|i| f32::from(u8::from(i / 64 == i % 64 / 32 * 2 + i % 8 / 4)))
            .collect();
        let x = Tensor::from_slice(&x, [4, 1, 8, 8]);
        for averaged in [false, true] {
            let rng = &mut Rng::new(4);
            let book = match averaged {
                true => Codebook::averaged(8, 4, 0.9, rng),
                false => Codebook::learned(8, 4, rng),
            };
            let mut model = VqVae::new(1, 16, book, rng);
            let mut adam = Adam::new(3e-3);
            for step in 0..200 {
                let found = model.forward(&x, &Mode::train(0, step));
                let Quantized {
                    commitment, pull, ..
                } = &found.quantized;
                let loss = (found.unlikeliness(&x) + pull + commitment * 0.25).mean(..);
                adam.step(&mut model, &loss.backward());
            }
            let back = model.draw(&model.codes(&x));
            let off = (back - &x).abs().amax(..).item();
            assert!(off < 0.1, "averaged {averaged}: off by {off}");
        }
    }

    #[test]
    fn the_codebook_is_saved_under_one_name_however_it_learns() {
        let names = |book: &Codebook| {
            book.state()
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let rng = &mut Rng::new(5);
        assert_eq!(names(&Codebook::learned(2, 2, rng)), ["weight"]);
        let averaged = Codebook::averaged(2, 2, 0.99, rng);
        assert_eq!(names(&averaged), ["weight", "counts", "sums"]);
        assert_eq!(averaged.count_params(), 0);
    }

    #[test]
    #[should_panic(
        expected = "VqVae: found pictures [1, 1, 27, 28], wanted (B, C, H, W) with multiples of 4 as sides"
    )]
    fn a_side_that_is_no_multiple_of_four_is_refused() {
        let rng = &mut Rng::new(0);
        let model = VqVae::new(1, 8, Codebook::learned(4, 2, rng), rng);
        let _refused = model.encode(&Tensor::zeros([1, 1, 27, 28]));
    }
}
