//! Recipes: model x data x trainer, each with its promised result; one file each, by era.

pub mod check;
mod classification;
mod cost;
mod digit;
mod drawing;
mod experiment;
mod machine;
mod promise;
mod recipe;
mod regularization;
mod results;
mod run;
pub mod settings;
pub mod tour;

pub mod connectionism;
pub mod deep_learning;
pub mod first_light;
pub mod perceptron;

pub use cost::Estimate;
pub use promise::{Bound, Measured, Promise, Unit};
pub use recipe::{Card, Era, Evaluation, Job, Outcome, Prediction, Prepared, Recipe};
pub use results::{Results, Row};
pub use run::{Config, Fingerprints, Origin, Run};

/// Every recipe, in the order of the eras.
pub static ALL: [&dyn Recipe; 6] = [
    &first_light::McCullochPittsRecipe,
    &first_light::HebbRecipe,
    &perceptron::PerceptronRecipe,
    &connectionism::HopfieldRecipe,
    &connectionism::BackpropRecipe,
    &deep_learning::MlpRecipe,
];

/// The recipe called `name`.
///
/// # Errors
/// If there is none; the nearest names are told.
pub fn find(name: &str) -> eras_tensor::Result<&'static dyn Recipe> {
    let found = ALL.into_iter().find(|recipe| recipe.card().name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|recipe| recipe.card().name).collect();
        let hint = eras_tensor::nearest(name, &names);
        eras_tensor::Error::usage(format!(
            "there is no recipe `{name}`; {hint} (see `eras list`)"
        ))
    })
}
