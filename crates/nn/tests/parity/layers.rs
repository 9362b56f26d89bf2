//! Layers of which PyTorch's own were asked for values: those that wrap another one, and multi-head attention.

use crate::reference::{Reference, assert_close};
use eras::nn::Weighted;
use eras::prelude::*;

/// A case of a wrapped layer: inputs, weight, bias and what else it has, then the output and the gradients of the first
/// three.
struct Case {
    file: Reference,
    name: String,
}

impl Case {
    fn input(&self, i: usize) -> Tensor {
        self.file.tensor(&self.name, &format!("input{i}"))
    }

    /// Compares the output and the gradients of `x`, weight and bias, and of further parameters by number.
    fn compare(&self, y: &Tensor, leaves: &[(usize, &Tensor)]) {
        assert_close(y, &self.file.tensor(&self.name, "output"), &self.name);
        let grads = y.backward_with(&self.file.tensor(&self.name, "dy"));
        for (i, leaf) in leaves {
            let wanted = self.file.tensor(&self.name, &format!("grad{i}"));
            assert_close(&grads[leaf], &wanted, &format!("{} grad{i}", self.name));
        }
    }

    /// `layer` with the case's weight and bias, in its dtype.
    fn filled<L: Weighted>(&self, mut layer: L) -> L {
        layer.to_dtype(self.input(1).dtype());
        layer.for_each_param_mut(&mut |name, param| {
            param.set(&self.input(if name == "weight" { 1 } else { 2 }));
        });
        layer
    }
}

/// Calls `check` for each case of `op`, with the layer that is wrapped.
fn for_each(op: &str, check: impl Fn(&Case, Wrapped)) {
    for (name, options) in Reference::open("layers").cases(op) {
        let rng = &mut Rng::new(0);
        let wrapped = match options["layer"].as_str() {
            Some("linear") => Wrapped::Linear(Linear::new(4, 3, rng)),
            Some("conv") => Wrapped::Conv(Conv2d::new(2, 3, 2, rng)),
            _ => Wrapped::Transposed(ConvTranspose2d::new(2, 3, 2, rng)),
        };
        let file = Reference::open("layers");
        check(&Case { file, name }, wrapped);
    }
}

enum Wrapped {
    Linear(Linear),
    Conv(Conv2d),
    Transposed(ConvTranspose2d),
}

fn bias(layer: &impl Weighted) -> Tensor {
    layer.named_params().swap_remove(1).1
}

fn spectral<L: Weighted>(case: &Case, layer: L) {
    let norm = SpectralNorm::new(case.filled(layer), &mut Rng::new(1));
    norm.u.set(&case.input(3));
    norm.v.set(&case.input(4));
    let x = case.input(0).requires_grad();
    let y = norm.forward(&x, &Mode::train(0, 0));
    let (weight, bias) = (norm.layer.weight(), bias(&norm.layer));
    case.compare(&y, &[(0, &x), (1, weight), (2, &bias)]);
    for (ours, name) in [(&norm.u, "u"), (&norm.v, "v")] {
        assert_close(&ours.get(), &case.file.tensor(&case.name, name), name);
    }
}

#[test]
fn spectral_norm_is_pytorchs() {
    for_each("spectral_norm", |case, layer| match layer {
        Wrapped::Linear(layer) => spectral(case, layer),
        Wrapped::Conv(layer) => spectral(case, layer),
        Wrapped::Transposed(layer) => spectral(case, layer),
    });
}

fn weight<L: Weighted>(case: &Case, layer: L) {
    let mut norm = WeightNorm::new(case.filled(layer));
    norm.g.set(&case.input(3));
    let x = case.input(0).requires_grad();
    let y = norm.forward(&x);
    let (weight, bias) = (norm.layer.weight(), bias(&norm.layer));
    case.compare(&y, &[(0, &x), (1, weight), (2, &bias), (3, &norm.g)]);
}

#[test]
fn weight_norm_is_pytorchs() {
    for_each("weight_norm", |case, layer| match layer {
        Wrapped::Linear(layer) => weight(case, layer),
        Wrapped::Conv(layer) => weight(case, layer),
        Wrapped::Transposed(layer) => weight(case, layer),
    });
}

#[test]
fn multi_head_attention_is_pytorchs() {
    for (name, options) in Reference::open("layers").cases("attention") {
        let file = Reference::open("layers");
        let case = Case { file, name };
        let rng = &mut Rng::new(0);
        let packed = options["layer"] == "packed";
        let mut layer = if packed {
            MultiHeadAttention::new(8, 2, rng)
        } else {
            MultiHeadAttention::separate(8, 6, 2, 2, rng)
        };
        let x = case.input(0).requires_grad();
        layer.to_dtype(x.dtype());
        // Behind x, and the memory, come the parameters.
        let first = if packed { 1 } else { 2 };
        let mut i = first;
        layer.for_each_param_mut(&mut |_, param| {
            param.set(&case.input(i));
            i += 1;
        });
        let mut attend = AttentionOptions::new();
        attend.causal = options["causal"] == true;
        let mode = Mode::eval();
        let mut leaves = vec![x.clone()];
        let y = if packed {
            layer.forward(&x, &attend, &mode)
        } else {
            let memory = case.input(1).requires_grad();
            leaves.push(memory.clone());
            layer.forward_cross(&x, &memory, &attend, &mode)
        };
        leaves.extend(layer.named_params().into_iter().map(|(_, param)| param));
        let leaves: Vec<(usize, &Tensor)> = leaves.iter().enumerate().collect();
        case.compare(&y, &leaves);
    }
}
