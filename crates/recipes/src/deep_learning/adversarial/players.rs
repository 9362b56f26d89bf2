//! The round of the game that all play but Wasserstein's.

use eras_models::deep_learning::gan::{discriminator_loss, generator_loss};
use eras_nn::{Module, Optimizer};
use eras_tensor::{Dtype, Tensor};
use eras_train::{Parts, Step};

/// The optimizers of a generator and a discriminator that plays by logits.
#[derive(Debug)]
pub(crate) struct Players {
    discriminator: Box<dyn Optimizer>,
    generator: Box<dyn Optimizer>,
}

impl Players {
    /// What a round reports beside the discriminator's loss.
    pub(crate) const NUMBERS: [&str; 3] = ["generator_loss", "real_as_real", "made_as_real"];

    /// Each learns by such an optimizer of its own.
    pub(crate) fn new(optimizer: impl Optimizer + Clone + 'static) -> Self {
        Self::unequal(optimizer.clone(), optimizer)
    }

    /// Each learns by its own.
    pub(crate) fn unequal(
        discriminator: impl Optimizer + 'static,
        generator: impl Optimizer + 'static,
    ) -> Self {
        Self {
            discriminator: Box::new(discriminator),
            generator: Box::new(generator),
        }
    }

    /// A step of the discriminator, then one of the generator, which made the pictures `made`.
    pub(crate) fn round<D: Module>(
        &mut self,
        generator: &mut dyn Module,
        discriminator: &mut D,
        real: &Tensor,
        made: &Tensor,
        logits: impl Fn(&D, &Tensor) -> Tensor,
    ) -> Step {
        let of_real = logits(discriminator, real);
        let of_made = logits(discriminator, &made.detach());
        let loss = discriminator_loss(&of_real, &of_made);
        self.discriminator.step(discriminator, &loss.backward());
        // Only the generator learns from this: the slope passes through the discriminator, whose own is not computed.
        let fooled = discriminator.frozen(|held| generator_loss(&logits(held, made)));
        self.generator.step(generator, &fooled.backward());
        let as_real = |logits: &Tensor| logits.gt(0.0).to_dtype(Dtype::F32).mean(..).item();
        Step {
            loss: loss.item(),
            numbers: vec![fooled.item(), as_real(&of_real), as_real(&of_made)],
        }
    }

    /// The players' weights under one, and both optimizers.
    pub(crate) fn parts<'a>(&'a mut self, model: &'a mut dyn Module) -> Parts<'a> {
        let optimizers: Vec<(&'static str, &mut dyn Optimizer)> = vec![
            ("discriminator", &mut *self.discriminator),
            ("generator", &mut *self.generator),
        ];
        Parts { model, optimizers }
    }
}
