//! The losses, those of `eras-nn` too: PyTorch's or Keras' names, and what we call in their place.

use crate::case::Case;
use crate::ops::{Op, calls};
use eras::nn::{
    Bce, BceWithLogits, CosineEmbedding, CosineLoss, Ctc, GaussianNll, Hinge, LogCosh, Mape, Msle,
    MultiMargin, Nll, PoissonNll, SigmoidFocal, SoftmaxFocal, SquaredHinge, TripletMargin, Tversky,
    cosine_similarity, kl_div, kl_div_log_targets,
};
use eras_tensor::{Reduction, Tensor};

calls! {
    "bce" => |c| {
        let criterion = Bce::new().reduction(reduction(c));
        match c.inputs.get(2) {
            Some(weight) => criterion.weight(weight).loss(c.x(0), c.x(1)),
            None => criterion.loss(c.x(0), c.x(1)),
        }
    };
    "bce_with_logits" => |c| match c.inputs.get(2) {
        Some(weight) => BceWithLogits::new().pos_weight(weight).reduction(reduction(c)).loss(c.x(0), c.x(1)),
        None => c.x(0).bce_with_logits(c.x(1), reduction(c)),
    };
    "cross_entropy" => |c| {
        // PyTorch leaves class -100 out unless told otherwise.
        let labels = !c.x(1).dtype().is_float();
        let ignore = labels.then(|| c.number_or("ignore_index", -100.0) as i64);
        c.x(0).cross_entropy(c.x(1), c.inputs.get(2), ignore, c.number("label_smoothing"), reduction(c))
    };
    "cosine_embedding" => |c| {
        let criterion = CosineEmbedding::new().margin(c.number("margin")).reduction(reduction(c));
        criterion.loss(c.x(0), c.x(1), c.x(2))
    };
    "cosine_loss" => |c| CosineLoss::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "cosine_similarity" => |c| cosine_similarity(c.x(0), c.x(1), c.whole("dim"));
    "ctc" => |c| {
        let criterion = Ctc::new().blank(c.whole("blank") as usize).zero_infinity(c.flag("zero_infinity"));
        criterion.reduction(reduction(c)).loss(&c.x(0).log_softmax(2), c.x(1), c.x(2), c.x(3))
    };
    "dice" => |c| tversky(Tversky::dice(), c);
    "gaussian_nll" => |c| {
        let criterion = GaussianNll::new().eps(c.number_or("eps", 1e-6)).reduction(reduction(c));
        let criterion = if c.flag("full") { criterion.full() } else { criterion };
        criterion.loss(c.x(0), c.x(1), c.x(2))
    };
    "hinge" => |c| Hinge::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "huber" => |c| c.x(0).huber(c.x(1), c.number_or("delta", 1.0), reduction(c));
    "kl_div" => |c| if c.text("reduction") == "batchmean" {
        if c.flag("log_target") { kl_div_log_targets(c.x(0), c.x(1)) } else { kl_div(c.x(0), c.x(1)) }
    } else {
        c.x(0).kl_div(c.x(1), c.flag("log_target"), reduction(c))
    };
    "l1" => |c| c.x(0).mae(c.x(1), reduction(c));
    "linear_cross_entropy" => |c| c.x(0).linear_cross_entropy(
        c.x(1),
        c.inputs.get(3),
        c.x(2),
        Some(-100),
        c.number("label_smoothing"),
        reduction(c),
    );
    "log_cosh" => |c| LogCosh::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "mape" => |c| Mape::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "mse" => |c| c.x(0).mse(c.x(1), reduction(c));
    "msle" => |c| Msle::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "multi_margin" => |c| {
        let mut criterion = MultiMargin::new().margin(c.number("margin")).reduction(reduction(c));
        if c.whole("p") == 2 {
            criterion = criterion.squared();
        }
        if let Some(weight) = c.inputs.get(2) {
            criterion = criterion.weight(weight);
        }
        criterion.loss(c.x(0), c.x(1))
    };
    "nll" => |c| {
        let criterion = Nll::new().weight(c.x(2)).ignore_index(c.whole("ignore_index") as i64);
        criterion.reduction(reduction(c)).loss(c.x(0), c.x(1))
    };
    "poisson_nll" => |c| {
        let mut criterion = PoissonNll::new().eps(c.number_or("eps", 1e-8)).reduction(reduction(c));
        if c.has("log_input") && !c.flag("log_input") {
            criterion = criterion.of_rates();
        }
        if c.flag("full") {
            criterion = criterion.full();
        }
        criterion.loss(c.x(0), c.x(1))
    };
    "sigmoid_focal" => |c| {
        let alpha = c.has("alpha").then(|| c.number("alpha"));
        let criterion = SigmoidFocal::new().alpha(alpha).gamma(c.number("gamma"));
        criterion.reduction(reduction(c)).loss(c.x(0), c.x(1))
    };
    "smooth_l1" => |c| c.x(0).smooth_l1(c.x(1), c.number_or("beta", 1.0), reduction(c));
    "softmax_focal" => |c| {
        let classes = c.x(0).shape()[1];
        let alpha = Tensor::full([classes], c.number("alpha"), c.x(0).dtype());
        let criterion = SoftmaxFocal::new().alpha(&alpha).gamma(c.number("gamma"));
        criterion.reduction(reduction(c)).loss(c.x(0), c.x(1))
    };
    "squared_hinge" => |c| SquaredHinge::new().reduction(reduction(c)).loss(c.x(0), c.x(1));
    "triplet_margin" => |c| {
        let criterion = TripletMargin::new().margin(c.number_or("margin", 1.0)).p(c.number_or("p", 2.0));
        let criterion = criterion.eps(c.number_or("eps", 1e-6)).reduction(reduction(c));
        let criterion = if c.flag("swap") { criterion.swap() } else { criterion };
        criterion.loss(c.x(0), c.x(1), c.x(2))
    };
    // Keras' alpha is the paper's beta, which is ours.
    "tversky" => |c| tversky(Tversky::new(c.number("beta"), c.number("alpha")), c);
}

fn tversky(criterion: Tversky, c: &Case) -> Tensor {
    let criterion = criterion.reduction(reduction(c));
    let criterion = if c.has("dim") {
        criterion.axes(c.list("dim"))
    } else {
        criterion
    };
    criterion.loss(c.x(0), c.x(1))
}

fn reduction(c: &Case) -> Reduction {
    match c.text("reduction") {
        "sum" => Reduction::Sum,
        "none" => Reduction::None,
        _ => Reduction::Mean,
    }
}
