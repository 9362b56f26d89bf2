//! What a model is made of and what a step of its training costs, found before training by a dry run.

use crate::state::Buffers;
use crate::watch::{Call, parent, watch};
use crate::{Layer, Mode, Module, Optimizer, Param, Path, Visitor};
use eras_tensor::{Dims, Tensor, count};
use std::fmt;

/// A summary of `model` for examples of shape `example` (without the batch) in `f32`.
///
/// The model is run twice, on two and on three examples of zeros, forward and backward; it stays as it was.
///
/// ```
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let model = Sequential::new().add(Flatten).add(Dense::new(784, 512, rng).relu()).add(Dense::new(512, 10, rng));
/// let summary = summary(&model, [28, 28]);
/// println!("{summary}");
/// assert_eq!(summary.params, 784 * 512 + 512 + 512 * 10 + 10);
/// assert_eq!(summary.rows[1].output, [512]);
/// assert_eq!(summary.forward_flops(128), 128 * 2 * (784 * 512 + 512 * 10));
/// let step = summary.step(128, &Adam::default());
/// assert_eq!(step.states, 2 * step.weights);
/// ```
///
/// # Panics
/// If the model does not take such examples.
#[must_use]
#[track_caller]
pub fn summary(model: &(impl Layer + ?Sized), example: impl Into<Dims>) -> Summary {
    let example = example.into();
    Summary::of(model, |batch| {
        let x = Tensor::zeros([&[batch], &*example].concat()).contiguous();
        model.apply(&x, &Mode::train(0, 0))
    })
}

/// What a model is made of and what a step of its training costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The calls of layers, in the order in which they are computed.
    pub rows: Vec<Row>,
    /// How many numbers are parameters.
    pub params: usize,
    /// How many of them are frozen.
    pub frozen: usize,
    /// Bytes of all parameters.
    pub weight_bytes: usize,
    /// Bytes of those that are trained.
    trained_bytes: usize,
    forward: Line,
    backward: Line,
    activations: Line,
}

/// One call of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The name of the layer, as in the names of its parameters; empty where it has none.
    pub path: String,
    /// Its kind, as `Dense`.
    pub kind: &'static str,
    /// The shape of the result without the batch.
    pub output: Vec<usize>,
    /// How many numbers its parameters are; 0 where an earlier row has counted them.
    pub params: usize,
    /// Floating point operations of its matrix products for one example, forward.
    pub flops: u64,
}

/// What a step of training costs, in bytes and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepCost {
    /// Examples in the batch.
    pub batch: usize,
    /// Floating point operations of matrix products, forward and backward.
    pub flops: u64,
    /// Bytes of the parameters.
    pub weights: usize,
    /// Bytes of their gradients.
    pub gradients: usize,
    /// Bytes of the optimizer's state.
    pub states: usize,
    /// Bytes that are kept from the forward pass for the backward pass.
    pub activations: usize,
}

impl StepCost {
    /// All of it in bytes: what is held when the backward pass begins, and the gradients that it leaves.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights + self.gradients + self.states + self.activations
    }
}

/// A count that grows evenly with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Line {
    fixed: i64,
    each: i64,
}

impl Line {
    fn through(two: i64, three: i64) -> Self {
        let each = three - two;
        Self {
            fixed: two - 2 * each,
            each,
        }
    }

    fn at(self, batch: usize) -> u64 {
        u64::try_from(self.fixed + self.each * batch as i64).unwrap_or(0)
    }
}

/// What one dry run has shown.
struct Run {
    calls: Vec<Call>,
    forward: i64,
    backward: i64,
    activations: i64,
}

impl Run {
    fn new(forward: impl FnOnce() -> Tensor) -> Self {
        let (flops, bytes) = (count::flops(), count::bytes());
        let (y, calls) = watch(forward);
        let forward = (count::flops() - flops) as i64;
        let activations = count::bytes() - bytes;
        if y.is_tracked() {
            let _gradients = y.backward_with(&Tensor::ones_like(&y));
        }
        Self {
            calls,
            forward,
            backward: (count::flops() - flops) as i64 - forward,
            activations,
        }
    }
}

impl Summary {
    /// A summary of any model: `forward` runs it on a batch of as many examples as it is told.
    ///
    /// ```
    /// use eras::prelude::*;
    /// use eras::nn::Summary;
    ///
    /// let words = Embedding::new(1000, 16, &mut Rng::new(0));
    /// let summary = Summary::of(&words, |batch| words.forward(&Tensor::from(vec![0i64; batch])));
    /// assert_eq!((summary.params, &summary.rows[0].output[..]), (16_000, &[16][..]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn of(model: &(impl Module + ?Sized), forward: impl Fn(usize) -> Tensor) -> Self {
        // Running statistics must not see the zeros.
        let buffers = Buffers::of(model);
        let (two, three) = (Run::new(|| forward(2)), Run::new(|| forward(3)));
        buffers.restore(model);

        let mut params = Params(Vec::new());
        model.visit_held(&mut Path::default(), &mut params);
        let mut rows = Vec::new();
        let mut seen: Vec<bool> = vec![false; params.0.len()];
        for (i, call) in two.calls.iter().enumerate() {
            let own: Vec<usize> = (0..params.0.len())
                .filter(|p| {
                    call.params
                        .iter()
                        .any(|w| w.shares_storage_with(&params.0[*p].tensor))
                })
                .collect();
            let path = own.first().map(|p| &params.0[*p].name);
            let fresh = own
                .iter()
                .filter(|p| !std::mem::replace(&mut seen[**p], true));
            let more = three.calls.get(i).map_or(call.flops, |call| call.flops);
            rows.push(Row {
                path: path.map_or(String::new(), |name| parent(name).to_owned()),
                kind: call.kind,
                output: call.output.get(1..).unwrap_or_default().to_vec(),
                params: fresh.map(|p| params.0[*p].tensor.len()).sum(),
                flops: more.saturating_sub(call.flops),
            });
        }
        let bytes = |w: &Tensor| w.len() * w.dtype().size();
        let trained = || params.0.iter().filter(|p| !p.frozen);
        Self {
            rows,
            params: params.0.iter().map(|p| p.tensor.len()).sum(),
            frozen: params
                .0
                .iter()
                .filter(|p| p.frozen)
                .map(|p| p.tensor.len())
                .sum(),
            weight_bytes: params.0.iter().map(|p| bytes(&p.tensor)).sum(),
            trained_bytes: trained().map(|p| bytes(&p.tensor)).sum(),
            forward: Line::through(two.forward, three.forward),
            backward: Line::through(two.backward, three.backward),
            activations: Line::through(two.activations, three.activations),
        }
    }

    /// Floating point operations of the matrix products of a forward pass.
    #[must_use]
    pub fn forward_flops(&self, batch: usize) -> u64 {
        self.forward.at(batch)
    }

    /// What a step of training on `batch` examples costs.
    #[must_use]
    pub fn step(&self, batch: usize, optimizer: &dyn Optimizer) -> StepCost {
        StepCost {
            batch,
            flops: self.forward.at(batch) + self.backward.at(batch),
            weights: self.weight_bytes,
            gradients: self.trained_bytes,
            states: optimizer.states_per_weight() * self.trained_bytes,
            activations: self.activations.at(batch) as usize,
        }
    }
}

struct Seen {
    name: String,
    tensor: Tensor,
    frozen: bool,
}

struct Params(Vec<Seen>);
impl Visitor for Params {
    fn param(&mut self, name: &str, param: &Param) {
        self.0.push(Seen {
            name: name.to_owned(),
            tensor: param.detach(),
            frozen: param.is_frozen(),
        });
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["layer", "kind", "output", "parameters", "FLOP"].map(str::to_owned);
        let mut table = vec![head];
        for row in &self.rows {
            let output: String = row.output.iter().map(|n| format!(", {n}")).collect();
            table.push([
                row.path.clone(),
                row.kind.to_owned(),
                format!("(B{output})"),
                grouped(row.params),
                counted(row.flops, ""),
            ]);
        }
        let listed: usize = self.rows.iter().map(|row| row.params).sum();
        if listed < self.params {
            let rest = grouped(self.params - listed);
            table.push([
                String::new(),
                "(other)".to_owned(),
                String::new(),
                rest,
                String::new(),
            ]);
        }
        let total = counted(self.forward.each.max(0) as u64, "");
        table.push([
            "total".to_owned(),
            String::new(),
            String::new(),
            grouped(self.params),
            total,
        ]);
        let width = |c: usize| {
            table
                .iter()
                .map(|row| row[c].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * 4);
        let last = table.len() - 1;
        for (i, [path, kind, output, params, flops]) in table.iter().enumerate() {
            if i == 1 || i == last {
                writeln!(f, "{rule}")?;
            }
            let [a, b, c, d, e] = widths;
            let line = format!("{path:a$}  {kind:b$}  {output:c$}  {params:>d$}  {flops:>e$}");
            writeln!(f, "{}", line.trim_end())?;
        }
        let trained = self.params - self.frozen;
        write!(
            f,
            "{} trained, {} frozen; FLOP of one example, forward",
            grouped(trained),
            grouped(self.frozen)
        )
    }
}

impl fmt::Display for StepCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |n: usize| counted(n as u64, "B");
        write!(
            f,
            "a step of {} examples: {}, {} (weights {}, gradients {}, optimizer {}, activations {})",
            self.batch,
            counted(self.flops, "FLOP"),
            bytes(self.bytes()),
            bytes(self.weights),
            bytes(self.gradients),
            bytes(self.states),
            bytes(self.activations)
        )
    }
}

/// `669,706`
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// `1.34 M`, `0`: three digits and a thousand's letter.
fn counted(n: u64, unit: &str) -> String {
    let (mut x, mut letter) = (n as f64, "");
    for next in ["k", "M", "G", "T", "P"] {
        if x < 999.5 {
            break;
        }
        (x, letter) = (x / 1000.0, next);
    }
    let places = match x {
        _ if letter.is_empty() => 0,
        x if x < 9.995 => 2,
        x if x < 99.95 => 1,
        _ => 0,
    };
    format!("{x:.places$} {letter}{unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adadelta, Dense, Dropout, Linear, Sequential, Sgd, VisitorMut};
    use eras_tensor::Rng;

    fn mlp() -> Sequential {
        let rng = &mut Rng::new(0);
        Sequential::new()
            .add(Dense::new(784, 512, rng).relu())
            .add(Dropout::new(0.2))
            .add(Dense::new(512, 512, rng).relu())
            .add(Dense::new(512, 10, rng))
    }

    #[test]
    fn the_table_reads_well() {
        let mut model = mlp();
        model.freeze("0.*");
        let wanted = "\
layer  kind     output    parameters   FLOP
───────────────────────────────────────────
0      Dense    (B, 512)     401,920  803 k
       Dropout  (B, 512)           0      0
2      Dense    (B, 512)     262,656  524 k
3      Dense    (B, 10)        5,130 10.2 k
───────────────────────────────────────────
total                        669,706 1.34 M
267,786 trained, 401,920 frozen; FLOP of one example, forward";
        let found = summary(&model, [784]).to_string();
        let squeezed = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| !line.starts_with('─'))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(squeezed(&found), squeezed(wanted), "{found}");
        let lengths: Vec<usize> = found
            .lines()
            .skip(2)
            .take(4)
            .map(|line| line.chars().count())
            .collect();
        assert!(lengths.iter().all(|n| *n == lengths[0]), "{found}");
    }

    #[test]
    fn a_step_costs_what_a_step_then_takes() {
        let model = mlp();
        let cost = summary(&model, [784]).step(128, &Adadelta::default());
        let x = Tensor::zeros([128, 784]).contiguous();
        let (flops, bytes) = (count::flops(), count::bytes());
        let y = model.apply(&x, &Mode::train(0, 0));
        let held = count::bytes() - bytes;
        let _grads = y.backward_with(&Tensor::ones_like(&y));
        assert_eq!(cost.flops, count::flops() - flops);
        // The summary counts the batch itself too.
        assert_eq!(cost.activations as i64, held + 128 * 784 * 4);
        assert_eq!(
            (cost.weights, cost.gradients, cost.states),
            (2_678_824, 2_678_824, 2 * 2_678_824)
        );
        // The gradient of the first input is not wanted: two products each but for the first layer.
        assert_eq!(
            cost.flops,
            128 * 2 * (2 * 784 * 512 + 3 * (512 * 512 + 512 * 10))
        );
        // The batch, and what the layers give: three times 512 and 10 numbers an example.
        assert_eq!(cost.activations, 128 * 4 * (784 + 3 * 512 + 10));
        let wanted = "a step of 128 examples: 411 MFLOP, 11.9 MB (weights 2.68 MB, gradients 2.68 MB, \
                      optimizer 5.36 MB, activations 1.19 MB)";
        assert_eq!(cost.to_string(), wanted);
    }

    #[test]
    fn a_model_of_ones_own_is_listed_by_its_layers() {
        struct Net {
            fc1: Linear,
            scale: Param,
            fc2: Linear,
        }
        impl Module for Net {
            fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
                path.within("fc1", |path| self.fc1.visit(path, visitor));
                path.within("scale", |path| self.scale.visit(path, visitor));
                path.within("fc2", |path| self.fc2.visit(path, visitor));
            }
            fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
                path.within("fc1", |path| self.fc1.visit_mut(path, visitor));
                path.within("scale", |path| self.scale.visit_mut(path, visitor));
                path.within("fc2", |path| self.fc2.visit_mut(path, visitor));
            }
        }
        let rng = &mut Rng::new(0);
        let net = Net {
            fc1: Linear::new(3, 4, rng),
            scale: Param::new(&Tensor::ones([4])),
            fc2: Linear::no_bias(4, 4, rng),
        };
        let summary = Summary::of(&net, |batch| {
            let h = net.fc1.forward(&Tensor::zeros([batch, 5, 3])) * &*net.scale;
            net.fc2.forward(&net.fc2.forward(&h)) // twice the same layer
        });
        let rows: Vec<_> = summary
            .rows
            .iter()
            .map(|row| (&*row.path, row.params, &row.output[..], row.flops))
            .collect();
        assert_eq!(
            rows,
            [
                ("fc1", 16, &[5, 4][..], 2 * 5 * 12),
                ("fc2", 16, &[5, 4][..], 2 * 5 * 16),
                ("fc2", 0, &[5, 4][..], 2 * 5 * 16)
            ]
        );
        assert!(summary.to_string().contains("(other)"), "{summary}");
        assert_eq!(summary.step(1, &Sgd::default()).states, 0);
    }

    #[test]
    fn numbers_are_short() {
        let all = [0, 7, 999, 1000, 9_990, 12_345, 999_600, 5_000_000_000];
        assert_eq!(
            all.map(|n| counted(n, "B")),
            [
                "0 B", "7 B", "999 B", "1.00 kB", "9.99 kB", "12.3 kB", "1.00 MB", "5.00 GB"
            ]
        );
        assert_eq!(
            (grouped(7), grouped(1_234_567)),
            ("7".to_owned(), "1,234,567".to_owned())
        );
    }
}
