//! Grad-CAM: where a classifier looks (Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra 2017, arXiv:1610.02391).
//!
//! ```text
//! A (K, h, w) the last feature maps, y the logit of a class
//! αₖ = mean over places of ∂y/∂Aₖ        L = relu(Σₖ αₖ Aₖ)
//! ```

use eras_nn::{Layer, Mode};
use eras_tensor::{Tensor, grad, no_grad};

/// A classifier of pictures in two parts: feature maps, which still have places, and the head that makes classes of them.
pub trait FeatureMaps: Layer {
    /// The last feature maps of `x (B, C, H, W)`: `(B, K, h, w)`.
    fn feature_maps(&self, x: &Tensor, mode: &Mode) -> Tensor;

    /// The logits `(B, classes)` of feature maps `(B, K, h, w)`.
    fn head(&self, maps: &Tensor, mode: &Mode) -> Tensor;
}

/// What in `x (B, C, H, W)` speaks for a class, one for each sample: `(B, h, w)`, nowhere below 0.
///
/// ```
/// use eras::models::{deep_learning::LeNet, grad_cam};
/// use eras::prelude::*;
///
/// let model = LeNet::new(10, &mut Rng::new(0));
/// let x = Tensor::randn([2, 1, 28, 28], &mut Rng::new(1));
/// assert_eq!(grad_cam(&model, &x, &[3, 7]).shape(), [2, 10, 10]);
/// ```
///
/// # Panics
/// If there is not one class for each sample, or a class is none of the model's.
#[must_use]
#[track_caller]
pub fn grad_cam<M: FeatureMaps>(model: &M, x: &Tensor, classes: &[usize]) -> Tensor {
    let mode = Mode::eval();
    let maps = no_grad(|| model.feature_maps(x, &mode));
    assert!(
        maps.rank() == 4,
        "grad_cam: found feature maps {:?}, wanted (B, K, h, w)",
        maps.shape()
    );
    let count = maps.shape()[0];
    assert!(
        classes.len() == count,
        "grad_cam: found {} classes for {count} samples, wanted one for each",
        classes.len()
    );
    let maps = maps.detach().requires_grad();
    let logits = model.head(&maps, &mode); // (B, classes)
    let known = logits.shape()[1];
    for &class in classes {
        assert!(
            class < known,
            "grad_cam: found class {class}, wanted one below {known}"
        );
    }
    let wanted: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let wanted = Tensor::from_slice(&wanted, [count, 1]);
    // The samples of a batch do not touch each other: their sum has the gradient of each.
    let sum = logits.gather(1, &wanted).sum(..);
    let slope = grad(&sum, &[&maps], None).remove(0).detach();
    let weights = slope.mean_keepdim([2, 3]); // (B, K, 1, 1)
    (weights * maps.detach()).sum(1).relu()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_nn::{Module, Param};
    use eras_tensor::Rng;

    /// Feature maps that are `relu` of a mixture of channels, their means, and a linear head.
    #[derive(Debug, Module)]
    struct Means {
        /// `(K, C)`
        mix: Param,
        /// `(classes, K)`
        weight: Param,
    }

    impl FeatureMaps for Means {
        fn feature_maps(&self, x: &Tensor, _mode: &Mode) -> Tensor {
            Tensor::einsum("kc,bchw->bkhw", &[&self.mix, x]).relu()
        }
        fn head(&self, maps: &Tensor, _mode: &Mode) -> Tensor {
            maps.mean([2, 3]).matmul(&self.weight.t())
        }
    }

    impl Layer for Means {
        fn apply(&self, x: &Tensor, mode: &Mode) -> Tensor {
            self.head(&self.feature_maps(x, mode), mode)
        }
    }

    fn means() -> Means {
        let rng = &mut Rng::new(4);
        Means {
            mix: Param::new(&Tensor::randn([5, 2], rng)),
            weight: Param::new(&Tensor::randn([3, 5], rng)),
        }
    }

    /// Behind global means and a linear head it is the class activation map (Zhou et al. 2015, arXiv:1512.04150), as the
    /// paper shows: each map by the head's weight, here divided by the number of places.
    #[test]
    fn behind_global_means_it_is_the_class_activation_map() {
        let model = means();
        let x = Tensor::randn([2, 2, 3, 4], &mut Rng::new(1));
        let found = grad_cam(&model, &x, &[2, 0]);
        assert_eq!(found.shape(), [2, 3, 4]);
        let maps = model.feature_maps(&x, &Mode::eval()).to_vec::<f32>();
        let weight = model.weight.to_vec::<f32>();
        let mut brightest = 0.0f32;
        for (i, found) in found.to_vec::<f32>().into_iter().enumerate() {
            let (sample, place) = (i / 12, i % 12);
            let class = [2, 0][sample];
            let map = |k: usize| f64::from(maps[(sample * 5 + k) * 12 + place]);
            let sum: f64 = (0..5)
                .map(|k| f64::from(weight[class * 5 + k]) * map(k))
                .sum();
            let wanted = (sum / 12.0).max(0.0);
            // Five products and two roundings in f32, of numbers of about 1.
            assert!((f64::from(found) - wanted).abs() < 1e-6, "{found} {wanted}");
            brightest = brightest.max(found);
        }
        assert!(brightest > 0.0);
    }

    #[test]
    fn a_sample_has_the_same_map_alone_and_among_others_and_the_model_keeps_its_gradients() {
        let model = means();
        let x = Tensor::randn([3, 2, 4, 4], &mut Rng::new(2));
        let together = grad_cam(&model, &x, &[0, 1, 2]).to_vec::<f32>();
        for i in 0..3 {
            let alone = grad_cam(&model, &x.narrow(0, i, 1), &[i]).to_vec::<f32>();
            assert_eq!(alone, together[16 * i..16 * (i + 1)]);
        }
        let grads = model.apply(&x, &Mode::eval()).sum(..).backward();
        assert!(grads.get(&model.mix).is_some());
    }

    #[test]
    #[should_panic(expected = "grad_cam: found class 3, wanted one below 3")]
    fn a_class_that_there_is_not_is_refused() {
        let _ = grad_cam(&means(), &Tensor::zeros([1, 2, 2, 2]), &[3]);
    }

    #[test]
    #[should_panic(expected = "grad_cam: found 1 classes for 2 samples, wanted one for each")]
    fn a_class_for_each_sample_is_wanted() {
        let _ = grad_cam(&means(), &Tensor::zeros([2, 2, 2, 2]), &[0]);
    }
}
