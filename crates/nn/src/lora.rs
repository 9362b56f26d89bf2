//! Low-rank adapters: a large model learns something new by a few numbers beside its own.

use crate::module::matches;
use crate::{Init, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{Error, Result, Rng, Tensor, no_grad};

/// A model that stays as it is, with matrices of low rank that are added to its own: LoRA (Hu et al. 2021, arXiv:2106.09685).
///
/// ```text
/// W' = W + (alpha / r) B A,   A (r, n) drawn,   B (m, r) zeros,   for each W (m, n) that is adapted
/// ```
///
/// No layer knows of it: [`model`](Self::model) is the model with `W'` in the place of `W`, and gradients pass through `W'` to
/// `A` and `B` alone. What it saves is memory, for an optimizer holds state for `A` and `B` only, and what a run leaves is as
/// small; a step computes as much as one that trains `W`, and `B A` besides, which is little beside a batch of many tokens.
///
/// As a [`Module`] it is the adapters alone, named as the library PEFT names them: `layer.lora_A.weight` and
/// `layer.lora_B.weight` for `layer.weight`.
///
/// ```
/// use eras::nn::Lora;
/// use eras::prelude::*;
///
/// let rng = &mut Rng::new(0);
/// let lora = Lora::new(Linear::new(64, 32, rng), "*", 4, 8.0, rng)?;
/// assert_eq!(lora.count_params(), 4 * 64 + 32 * 4);
/// let x = Tensor::ones([1, 64]);
/// let grads = lora.model().forward(&x).sum(..).backward();
/// assert_eq!(grads.len(), 2);
/// let linear = lora.merged(); // a layer as any other
/// assert_eq!(linear.count_params(), 32 * 64 + 32);
/// # Ok::<(), eras::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lora<M> {
    base: M,
    adapters: Vec<Adapter>,
    scale: f64,
}

/// What is added to one matrix.
#[derive(Debug, Clone)]
struct Adapter {
    /// Of the matrix.
    name: String,
    /// `(r, n)`.
    a: Param,
    /// `(m, r)`.
    b: Param,
}

impl<M: Module + Clone> Lora<M> {
    /// Adapters of rank `rank` for the matrices of `base` whose names match `pattern`, where `*` stands for anything. Nothing
    /// changes yet: what is added begins as zero. `alpha / rank` is how much it counts.
    ///
    /// # Errors
    /// If the pattern matches no matrix, or `rank` is more than the smaller side of one.
    ///
    /// # Panics
    /// If `rank` is 0 or `alpha` is not finite.
    #[track_caller]
    pub fn new(mut base: M, pattern: &str, rank: usize, alpha: f64, rng: &mut Rng) -> Result<Self> {
        assert!(
            rank > 0 && alpha.is_finite(),
            "Lora: found rank {rank} and alpha {alpha}, wanted a rank of 1 or more and a finite alpha"
        );
        let (mut adapters, mut refused) = (Vec::new(), None);
        base.for_each_param(&mut |name, param| {
            let &[m, n] = param.shape() else { return };
            if !matches(pattern, name) {
                return;
            }
            if rank > m.min(n) {
                refused = refused.take().or(Some(format!(
                    "found rank {rank} for `{name}` {:?}, wanted at most {}",
                    [m, n],
                    m.min(n)
                )));
                return;
            }
            // As PyTorch begins a linear layer, which PEFT keeps.
            let bound = 1.0 / (n as f64).sqrt();
            let drawn = Init::uniform(-bound, bound).draw([rank, n], rng);
            adapters.push(Adapter {
                name: name.to_owned(),
                a: Param::new(&drawn.to_dtype(param.dtype())),
                b: Param::new(&Tensor::zeros([m, rank]).to_dtype(param.dtype())),
            });
        });
        if let Some(refused) = refused {
            return Err(Error::usage(refused));
        }
        if adapters.is_empty() {
            return Err(Error::usage(format!(
                "`{pattern}` fits no matrix of the model"
            )));
        }
        base.freeze("*");
        Ok(Self {
            base,
            adapters,
            scale: alpha / rank as f64,
        })
    }

    /// The model as it was, frozen.
    #[must_use]
    pub fn base(&self) -> &M {
        &self.base
    }

    /// The names of the matrices that are adapted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.adapters.iter().map(|adapter| &*adapter.name)
    }

    /// The model with what is added, through which gradients pass to the adapters. It holds the weights of now: ask for it
    /// anew after each step.
    #[must_use]
    pub fn model(&self) -> M {
        let mut model = self.base.clone();
        let mut adapters = self.adapters.iter().peekable();
        model.for_each_param_mut(&mut |name, param| {
            if let Some(adapter) = adapters.next_if(|adapter| adapter.name == name) {
                let added = adapter.b.matmul(&adapter.a) * self.scale;
                *param.tensor_mut() = &**param + added;
            }
        });
        model
    }

    /// The model alone, with what is added in its weights once and for all, to be trained or saved as any other.
    #[must_use]
    pub fn merged(self) -> M {
        let mut model = no_grad(|| self.model());
        model.unfreeze("*");
        model
    }
}

impl<M: Module> Module for Lora<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        for adapter in &self.adapters {
            let [a, b] = adapter.names();
            path.within(&a, |path| adapter.a.visit(path, visitor));
            path.within(&b, |path| adapter.b.visit(path, visitor));
        }
    }
    fn visit_held(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.base.visit_held(path, visitor);
        self.visit(path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        for adapter in &mut self.adapters {
            let [a, b] = adapter.names();
            path.within(&a, |path| adapter.a.visit_mut(path, visitor));
            path.within(&b, |path| adapter.b.visit_mut(path, visitor));
        }
    }
}

impl Adapter {
    fn names(&self) -> [String; 2] {
        let layer = self.name.strip_suffix("weight").unwrap_or(&self.name);
        ["lora_A", "lora_B"].map(|part| {
            // A matrix that is no layer's weight keeps its name before the part.
            let dot = if layer.is_empty() || layer.ends_with('.') {
                ""
            } else {
                "."
            };
            format!("{layer}{dot}{part}.weight")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Linear, Optimizer, Sgd, mse};
    use eras_tensor::Rng;

    /// Two layers in a row.
    fn net(rng: &mut Rng) -> (Linear, Linear) {
        (Linear::new(5, 4, rng), Linear::no_bias(4, 3, rng))
    }

    fn forward(net: &(Linear, Linear), x: &Tensor) -> Tensor {
        net.1.forward(&net.0.forward(x))
    }

    #[test]
    fn it_begins_as_the_model_and_adds_what_its_matrices_make() {
        let rng = &mut Rng::new(0);
        let base = net(rng);
        let mut lora = Lora::new(base.clone(), "0.*", 2, 6.0, rng).unwrap();
        assert_eq!(lora.names().collect::<Vec<_>>(), ["0.weight"]);
        let x = Tensor::randn([7, 5], rng);
        let before = forward(&base, &x);
        assert_eq!(
            forward(&lora.model(), &x).to_vec::<f32>(),
            before.to_vec::<f32>()
        );
        let (a, b) = (Tensor::randn([2, 5], rng), Tensor::randn([4, 2], rng));
        lora.load_state(&[
            ("0.lora_A.weight".into(), a.clone()),
            ("0.lora_B.weight".into(), b.clone()),
        ])
        .unwrap();
        // (x A^T) B^T, apart from the layer.
        let added = x.matmul(&a.t()).matmul(&b.t()) * 3.0;
        let wanted = base.1.forward(&(base.0.forward(&x) + added));
        let off = |y: Tensor| (y - &wanted).abs().amax(..).item();
        assert!(off(forward(&lora.model(), &x)) < 1e-5);
        let merged = lora.merged();
        assert!(off(forward(&merged, &x)) < 1e-5);
        assert!(!merged.0.weight.is_frozen() && !merged.1.weight.is_frozen());
    }

    #[test]
    fn training_changes_the_adapters_and_nothing_else() {
        let rng = &mut Rng::new(1);
        let base = net(rng);
        let mut lora = Lora::new(base.clone(), "*", 2, 2.0, rng).unwrap();
        assert_eq!(lora.count_params(), 2 * (5 + 4) + 2 * (4 + 3));
        let (x, y) = (Tensor::randn([32, 5], rng), Tensor::randn([32, 3], rng));
        let loss = |lora: &Lora<_>| mse(&forward(&lora.model(), &x), &y);
        let first = loss(&lora).item();
        let mut sgd = Sgd::new(0.1);
        for _ in 0..50 {
            let grads = loss(&lora).backward();
            assert_eq!(grads.len(), 4);
            sgd.step(&mut lora, &grads);
        }
        assert!(loss(&lora).item() < 0.9 * first);
        for ((_, a), (_, b)) in base.state().iter().zip(lora.base().state()) {
            assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>());
        }
        let names: Vec<String> = lora.state().into_iter().map(|(name, _)| name).collect();
        let wanted = ["0.lora_A", "0.lora_B", "1.lora_A", "1.lora_B"];
        assert_eq!(names, wanted.map(|name| format!("{name}.weight")));
    }

    #[test]
    fn a_summary_counts_the_frozen_model_and_the_adapters() {
        let base = net(&mut Rng::new(0));
        let params = base.count_params();
        let lora = Lora::new(base, "0.*", 2, 4.0, &mut Rng::new(1)).unwrap();
        let x = |n| Tensor::zeros([n, lora.base().0.weight.shape()[1]]);
        let summary = crate::Summary::of(&lora, |n| forward(&lora.model(), &x(n)));
        assert_eq!(summary.frozen, params);
        assert_eq!(summary.params, params + lora.count_params());
        assert_eq!(summary.weight_bytes, 4 * summary.params);
        // What is not adapted keeps its name.
        assert!(
            summary.rows.iter().any(|row| row.path == "1"),
            "{summary:?}"
        );
    }

    #[test]
    fn what_fits_no_matrix_and_a_rank_too_high_are_refused() {
        let rng = &mut Rng::new(0);
        let refusal = |pattern: &str, rank: usize| {
            let lora = Lora::new(net(&mut Rng::new(0)), pattern, rank, 1.0, &mut Rng::new(0));
            lora.unwrap_err().to_string()
        };
        assert_eq!(refusal("*.bias", 1), "`*.bias` fits no matrix of the model");
        assert_eq!(
            refusal("*", 4),
            "found rank 4 for `1.weight` [3, 4], wanted at most 3"
        );
        let own = Lora::new(Param::new(&Tensor::zeros([3, 2])), "*", 1, 1.0, rng).unwrap();
        assert_eq!(own.state()[0].0, "lora_A.weight");
    }
}
