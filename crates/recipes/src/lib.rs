//! Recipes: model x data x trainer, each with its promised result; one file each, by era.

// What `#[derive(Module)]` writes names `::eras::nn`: here that is the layers' crate.
extern crate eras_nn as eras;

pub mod check;
mod classification;
mod classifier;
mod cost;
mod descent;
mod digit;
mod drawing;
mod experiment;
mod filters;
mod fine_tuning;
mod machine;
mod minimization;
mod pictures;
mod promise;
mod recipe;
mod regularization;
mod results;
mod run;
pub mod settings;
mod small_gray;
mod standardized;
#[cfg(test)]
mod testing;
pub mod tour;
mod training;

pub mod connectionism;
pub mod deep_learning;
pub mod first_light;
pub mod large_models;
pub mod perceptron;

pub use cost::Estimate;
pub use large_models::{TextModel, Translation, Translator, Writer, Written};
pub use pictures::Answers;
pub use promise::{Bound, Measured, Promise, Unit};
pub use recipe::{
    Card, Draw, Era, Evaluation, Job, Outcome, Prediction, Prepared, Recipe, SampleRequest, Sampled,
};
pub use results::{Results, Row};
pub use run::{Config, Fingerprints, Origin, Run};

/// Every recipe, in the order of the eras.
pub static ALL: &[&dyn Recipe] = &[
    &first_light::McCullochPittsRecipe,
    &first_light::HebbRecipe,
    &perceptron::PerceptronRecipe,
    &connectionism::HopfieldRecipe,
    &connectionism::BoltzmannRecipe,
    &connectionism::RbmRecipe,
    &connectionism::BackpropRecipe,
    &deep_learning::MlpRecipe,
    &deep_learning::LeNetRecipe,
    &deep_learning::KerasCnnRecipe,
    &deep_learning::AlexNetRecipe,
    &deep_learning::VggRecipe,
    &deep_learning::DegradationRecipe,
    &deep_learning::ResNet20Recipe,
    &deep_learning::ResNet18Recipe,
    &deep_learning::AutoencoderRecipe,
    &deep_learning::DenoisingAutoencoderRecipe,
    &deep_learning::VaeRecipe,
    &deep_learning::CvaeRecipe,
    &deep_learning::VqVaeRecipe,
    deep_learning::GAN,
    deep_learning::CGAN,
    deep_learning::DCGAN,
    deep_learning::WGAN_GP,
    &deep_learning::VideoGanRecipe,
    &deep_learning::UNetRecipe,
    &large_models::ReversalRecipe,
    &large_models::TranslationRecipe,
    &large_models::GptCharRecipe::Small,
    &large_models::GptCharRecipe::Large,
    &large_models::GptRecipe,
];

/// The recipe called `name`.
///
/// # Errors
/// If there is none; the nearest names are told.
pub fn find(name: &str) -> eras_tensor::Result<&'static dyn Recipe> {
    let found = ALL
        .iter()
        .copied()
        .find(|recipe| recipe.card().name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|recipe| recipe.card().name).collect();
        let hint = eras_tensor::nearest(name, &names);
        eras_tensor::Error::usage(format!(
            "there is no recipe `{name}`; {hint} (see `eras list`)"
        ))
    })
}
