//! Optimizers: what turns gradients into better weights.
//!
//! Each is a rule for one parameter ([`Rule`], one file each) under a common driver ([`Elementwise`]) that walks over
//! the model, keeps the state of each parameter, and knows parameter groups and clipping. Formulas and names are
//! PyTorch's; each page says where Keras differs.
//!
//! ```
//! use eras::prelude::*;
//! use eras::nn::Param;
//!
//! // The smallest of (w - 3)².
//! let mut w = Param::new(&Tensor::from([0.0f32]));
//! let mut adam = Adam::new(0.1).clip_norm(10.0);
//! for _ in 0..300 {
//!     let loss = (&*w - 3.0).sqr().sum(..);
//!     adam.step(&mut w, &loss.backward());
//! }
//! assert!((w.item() - 3.0).abs() < 1e-2);
//! ```

/// Methods that change a setting of the rule of the same name.
macro_rules! settings {
    ($( $(#[$doc:meta])* $name:ident: $type:ty $(=> $range:expr)?; )*) => { $(
        $(#[$doc])*
        $(
            #[doc = concat!("\n# Panics\nIf it does not lie in `", stringify!($range), "`.")]
            #[track_caller]
        )?
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            $( $crate::want::want(self.rule.name(), stringify!($name), $name, $range); )?
            self.rule.$name = $name;
            self
        }
    )* };
}

/// The method that sets both of an optimizer's betas.
macro_rules! betas {
    ($(#[$doc:meta])*) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// If one of them is not from 0 to below 1.
        #[must_use]
        #[track_caller]
        pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
            $crate::want::want_betas(self.rule.name(), beta1, beta2);
            self.rule.betas = (beta1, beta2);
            self
        }
    };
}

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod clip;
mod elementwise;
mod ftrl;
mod lamb;
mod lbfgs;
mod lion;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;

pub use adadelta::{Adadelta, AdadeltaRule};
pub use adafactor::{Adafactor, AdafactorRule};
pub use adagrad::{Adagrad, AdagradRule};
pub use adam::{Adam, AdamRule, AdamW};
pub use adamax::{Adamax, AdamaxRule};
pub use clip::{clip_by_global_norm, clip_by_value, global_norm};
pub use elementwise::{Elementwise, Group, Number, Rule, Update};
pub use ftrl::{Ftrl, FtrlRule};
pub use lamb::{Lamb, LambRule};
pub use lbfgs::Lbfgs;
pub use lion::{Lion, LionRule};
pub use muon::{Muon, MuonRule, MuonScale};
pub use nadam::{Nadam, NadamRule};
pub use radam::{Radam, RadamRule};
pub use rmsprop::{RmsProp, RmsPropRule};
pub use rprop::{Rprop, RpropRule};
pub use sgd::{Sgd, SgdRule};

use crate::Module;
use eras_tensor::{Gradients, Result, Tensor};
use std::fmt::Debug;

/// Turns gradients into better weights, in place.
pub trait Optimizer: Debug + Send + Sync {
    /// Updates every parameter of `model` that is not frozen.
    ///
    /// # Panics
    /// If such a parameter has no gradient in `grads`.
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients);

    /// The name, as `adam`.
    fn name(&self) -> &'static str;

    /// The learning rate of the next step.
    fn lr(&self) -> f64;

    /// Sets the learning rate of the next step.
    ///
    /// # Panics
    /// If it is negative or not a number.
    fn set_lr(&mut self, lr: f64);

    /// All settings with their values as TOML writes them: `("betas", "[0.9, 0.999]")`.
    fn settings(&self) -> Vec<(String, String)>;

    /// How many numbers are kept for each weight.
    fn states_per_weight(&self) -> usize;

    /// All that was learned about the gradients so far, enough to go on exactly: tensors named after their
    /// parameter, as `fc1.weight.exp_avg`, and `fc1.weight.step`, the number of its updates. Handles: no numbers
    /// are copied, and later steps leave them as they are.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Goes on from a saved [`state`](Self::state); what was learned here is forgotten.
    ///
    /// # Errors
    /// If a name is none of this optimizer's, or a part is missing or of another type. Nothing is changed then.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()>;

    /// A copy that learns on its own.
    fn box_clone(&self) -> Box<dyn Optimizer>;
}

impl Clone for Box<dyn Optimizer> {
    fn clone(&self) -> Self {
        self.box_clone()
    }
}
