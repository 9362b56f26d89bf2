//! Which parameters are trained: a setting that recipes share.

use eras_nn::Module;
use eras_tensor::{Error, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FineTuning {
    /// Names of parameters that stay as they are, with `*` for anything, commas between: `features.*, *.bias`.
    freeze: String,
}

impl FineTuning {
    /// Whether nothing is to be frozen.
    pub(crate) fn is_empty(&self) -> bool {
        self.freeze.is_empty()
    }

    /// Freezes what is to be frozen.
    pub(crate) fn apply(&self, model: &mut impl Module) -> Result<()> {
        let patterns = self.freeze.split(',').map(str::trim);
        for pattern in patterns.filter(|pattern| !pattern.is_empty()) {
            if model.freeze(pattern) == 0 {
                return Err(Error::usage(format!(
                    "setting `freeze`: `{pattern}` fits no parameter; there are {}",
                    names(model)
                )));
            }
        }
        let mut is_trained = false;
        model.for_each_param(&mut |_, param| is_trained |= !param.is_frozen());
        if !is_trained && !self.freeze.is_empty() {
            return Err(Error::usage(format!(
                "setting `freeze` is `{}`, which leaves nothing to train",
                self.freeze
            )));
        }
        Ok(())
    }
}

/// The names of the parameters, as many as anybody reads.
fn names(model: &impl Module) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = model
        .named_params()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let more = names.len().saturating_sub(SHOWN);
    let mut text = names[..names.len() - more].join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use eras_models::deep_learning::Mlp;
    use eras_tensor::Rng;

    fn frozen(freeze: &str) -> Result<Vec<String>> {
        let mut model = Mlp::new(2, &[3, 3], 2, 0.0, &mut Rng::new(0));
        let freeze = freeze.to_owned();
        FineTuning { freeze }.apply(&mut model)?;
        let mut names = Vec::new();
        model.for_each_param(&mut |name, param| {
            if param.is_frozen() {
                names.push(name.to_owned());
            }
        });
        Ok(names)
    }

    #[test]
    fn what_fits_a_pattern_is_frozen() {
        assert_eq!(frozen("").unwrap(), [""; 0]);
        assert_eq!(
            frozen("hidden.0.*, output.bias").unwrap(),
            ["hidden.0.weight", "hidden.0.bias", "output.bias"]
        );
    }

    #[test]
    fn a_pattern_that_fits_nothing_and_one_that_fits_all_are_refused() {
        let error = frozen("hidden.0.*,layer4.*").unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "setting `freeze`: `layer4.*` fits no parameter; there are hidden.0.weight, hidden.0.bias, \
             hidden.1.weight, hidden.1.bias, output.weight, output.bias"
        );
        let error = frozen("*").unwrap_err().to_string();
        assert_eq!(
            error,
            "setting `freeze` is `*`, which leaves nothing to train"
        );
    }
}
