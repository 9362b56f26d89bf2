//! The multilayer perceptron: layers of units, each seeing all of the layer before.
//!
//! Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors", with rectified
//! linear units (Nair & Hinton 2010), Glorot's initialization (Glorot & Bengio 2010) and, where asked for, dropout
//! behind each hidden layer (Srivastava et al. 2014).
//!
//! Differs from the paper: ReLU where 1986 had the logistic function; softmax and cross entropy at the output
//! where it had squared error.
//!
//! Axes: `B` batch.

use eras_nn::{Dense, Dropout, Layer, Mode, Module};
use eras_tensor::{Rng, Tensor};

/// Hidden layers with ReLU, and a linear output: `(B, in)` to `(B, out)`.
///
/// ```
/// use eras::models::deep_learning::Mlp;
/// use eras::prelude::*;
///
/// let model = Mlp::new(784, &[512, 512], 10, 0.0, &mut Rng::new(0));
/// assert_eq!(model.forward(&Tensor::zeros([2, 784]), &Mode::eval()).shape(), [2, 10]);
/// assert_eq!(model.count_params(), 669_706);
/// ```
#[derive(Debug, Module)]
pub struct Mlp {
    hidden: Vec<Dense>,
    dropout: Dropout,
    output: Dense,
}

impl Mlp {
    /// Maps `d_in` numbers to `d_out` through hidden layers of these sizes. `dropout` is the share of hidden units
    /// silenced in training.
    ///
    /// # Panics
    /// If `dropout` is not in [0, 1).
    #[must_use]
    #[track_caller]
    pub fn new(d_in: usize, hidden: &[usize], d_out: usize, dropout: f64, rng: &mut Rng) -> Self {
        let mut layers = Vec::with_capacity(hidden.len());
        let mut width = d_in;
        for &units in hidden {
            layers.push(Dense::new(width, units, rng).relu());
            width = units;
        }
        Self {
            hidden: layers,
            dropout: Dropout::new(dropout),
            output: Dense::new(width, d_out, rng),
        }
    }

    /// `x (B, in)` to `(B, out)`.
    ///
    /// # Panics
    /// If the last axis of `x` is not `in`.
    #[must_use]
    #[track_caller]
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let mut h = x.clone();
        for layer in &self.hidden {
            h = self.dropout.forward(&layer.forward(&h), mode);
        }
        self.output.forward(&h)
    }
}

impl Layer for Mlp {
    #[track_caller]
    fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
        self.forward(x, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Adam, Optimizer, cross_entropy};

    #[test]
    fn four_examples_are_learned_by_heart() {
        let rng = &mut Rng::new(0);
        let mut model = Mlp::new(5, &[16, 16], 3, 0.0, rng);
        let (x, y) = (Tensor::randn([4, 5], rng), Tensor::from([0i64, 1, 2, 1]));
        let mut adam = Adam::new(0.02);
        for step in 0..200 {
            let loss = cross_entropy(&model.forward(&x, &Mode::train(0, step)), &y);
            adam.step(&mut model, &loss.backward());
        }
        let loss = cross_entropy(&model.forward(&x, &Mode::eval()), &y).item();
        assert!(loss < 0.01, "the loss is {loss}");
    }

    #[test]
    fn without_hidden_layers_it_is_a_linear_map() {
        let model = Mlp::new(3, &[], 2, 0.0, &mut Rng::new(1));
        let f = |x: [f32; 3]| model.forward(&Tensor::from([x]), &Mode::eval());
        let sum = f([1.0, 2.0, 3.0]) + f([0.5, 0.0, -1.0]);
        let together = f([1.5, 2.0, 2.0]);
        let difference = (sum - together).abs().sum(..).item();
        assert!(difference < 1e-5, "off by {difference}");
    }
}
