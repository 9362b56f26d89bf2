//! Loading saved parameters and buffers, all or nothing; and buffers that are put back.

use crate::{Buffer, Module, Param, Path, Visitor, VisitorMut};
use eras_tensor::{Error, Result, Tensor};
use std::collections::BTreeMap;

/// What [`Module::load_state`] does.
pub(crate) fn load(model: &mut (impl Module + ?Sized), state: &[(String, Tensor)]) -> Result<()> {
    let mut saved = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, tensor) in state {
        if saved.insert(name.as_str(), tensor).is_some() {
            problems.push(format!("`{name}` is there twice"));
        }
    }
    let mut check = Check {
        saved: &saved,
        found: 0,
        problems,
    };
    model.visit(&mut Path::default(), &mut check);
    let (found, mut problems) = (check.found, check.problems);
    if found < saved.len() {
        let mut names = Names::default();
        model.visit(&mut Path::default(), &mut names);
        let unknown = saved.keys().filter(|name| !names.0.contains(**name));
        problems.extend(unknown.map(|name| format!("`{name}` is not in the model")));
    }
    if !problems.is_empty() {
        return Err(Error::model_mismatch(listed(&problems)));
    }
    model.visit_mut(&mut Path::default(), &mut Set(&saved));
    Ok(())
}

/// What a model took of saved weights that may be another's ([`Module::load_fitting`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fitted {
    /// The names of the parameters and buffers that were taken.
    pub taken: Vec<String>,
    /// What stayed as it was, and why: ``"`output.weight` is [10, 512] there, but the model wants [3, 512]"``.
    pub kept: Vec<String>,
    /// The names of what was saved and is not in the model.
    pub unused: Vec<String>,
}

/// What [`Module::load_fitting`] does.
pub(crate) fn load_fitting(
    model: &mut (impl Module + ?Sized),
    state: &[(String, Tensor)],
) -> Result<Fitted> {
    let saved: BTreeMap<&str, &Tensor> = state
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor))
        .collect();
    let mut fitting = Fitting {
        saved: &saved,
        fitted: Fitted::default(),
    };
    model.visit(&mut Path::default(), &mut fitting);
    let mut fitted = fitting.fitted;
    let mut names = Names::default();
    model.visit(&mut Path::default(), &mut names);
    let unused = saved.keys().filter(|name| !names.0.contains(**name));
    fitted.unused = unused.map(|name| (*name).to_owned()).collect();
    // A vector may fit by accident: as many classes, or units, are enough.
    let matrices = fitted
        .taken
        .iter()
        .filter(|name| saved[name.as_str()].rank() > 1);
    if matrices.count() == 0 {
        return Err(Error::model_mismatch(format!(
            "nothing fits: {}",
            listed(&fitted.kept)
        )));
    }
    let taken = saved
        .into_iter()
        .filter(|(name, _)| fitted.taken.iter().any(|taken| taken == name));
    model.visit_mut(&mut Path::default(), &mut Set(&taken.collect()));
    Ok(fitted)
}

/// Tells what fits without changing anything.
struct Fitting<'a> {
    saved: &'a BTreeMap<&'a str, &'a Tensor>,
    fitted: Fitted,
}

impl Fitting<'_> {
    fn compare(&mut self, name: &str, wanted: &Tensor) {
        let Some(saved) = self.saved.get(name) else {
            self.fitted.kept.push(format!("`{name}` is not there"));
            return;
        };
        let kind = |x: &Tensor| (x.dtype(), x.shape().to_vec());
        if kind(saved) == kind(wanted) {
            self.fitted.taken.push(name.to_owned());
            return;
        }
        let text = |x: &Tensor| match saved.dtype() == wanted.dtype() {
            true => format!("{:?}", x.shape()),
            false => format!("{} {:?}", x.dtype(), x.shape()),
        };
        self.fitted.kept.push(format!(
            "`{name}` is {} there, but the model wants {}",
            text(saved),
            text(wanted)
        ));
    }
}

impl Visitor for Fitting<'_> {
    fn param(&mut self, name: &str, param: &Param) {
        self.compare(name, param);
    }
    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        self.compare(name, &buffer.get());
    }
}

/// The first of them in one line, and how many more there are.
fn listed(problems: &[String]) -> String {
    /// A model of another kind differs in everything: nobody reads a thousand names.
    const SHOWN: usize = 8;
    let mut text = problems[..problems.len().min(SHOWN)].join("; ");
    if problems.len() > SHOWN {
        text.push_str(&format!("; and {} more", problems.len() - SHOWN));
    }
    text
}

/// Compares without changing anything.
struct Check<'a> {
    saved: &'a BTreeMap<&'a str, &'a Tensor>,
    found: usize,
    problems: Vec<String>,
}

impl Check<'_> {
    fn compare(&mut self, name: &str, wanted: &Tensor) {
        let Some(saved) = self.saved.get(name) else {
            self.problems.push(format!("`{name}` is missing"));
            return;
        };
        self.found += 1;
        let (found, shape) = (saved.shape(), wanted.shape());
        if saved.dtype() != wanted.dtype() {
            self.problems.push(format!(
                "`{name}` is {} {found:?}, but the model wants {} {shape:?}",
                saved.dtype(),
                wanted.dtype()
            ));
        } else if found != shape {
            self.problems.push(format!(
                "`{name}` is {found:?}, but the model wants {shape:?}"
            ));
        }
    }
}

impl Visitor for Check<'_> {
    fn param(&mut self, name: &str, param: &Param) {
        self.compare(name, param);
    }
    fn buffer(&mut self, name: &str, buffer: &Buffer) {
        self.compare(name, &buffer.get());
    }
}

#[derive(Default)]
struct Names(std::collections::BTreeSet<String>);

impl Visitor for Names {
    fn param(&mut self, name: &str, _param: &Param) {
        self.0.insert(name.to_owned());
    }
    fn buffer(&mut self, name: &str, _buffer: &Buffer) {
        self.0.insert(name.to_owned());
    }
}

/// Puts in what was found to fit; the rest stays.
struct Set<'a>(&'a BTreeMap<&'a str, &'a Tensor>);

impl VisitorMut for Set<'_> {
    fn param(&mut self, name: &str, param: &mut Param) {
        if let Some(saved) = self.0.get(name) {
            param.set(saved);
        }
    }
    fn buffer(&mut self, name: &str, buffer: &mut Buffer) {
        if let Some(saved) = self.0.get(name) {
            buffer.set(saved);
        }
    }
}

/// The buffers of a model at one time (handles): what a forward pass may change.
#[derive(Debug, Clone, Default)]
pub struct Buffers(Vec<Tensor>);

impl Buffers {
    /// Those of `model` as they are now.
    #[must_use]
    pub fn of(model: &(impl Module + ?Sized)) -> Self {
        let mut buffers = Self::default();
        model.visit(&mut Path::default(), &mut buffers);
        buffers
    }

    /// Puts them back into the same model.
    pub fn restore(mut self, model: &(impl Module + ?Sized)) {
        self.0.reverse();
        model.visit(&mut Path::default(), &mut Restore(self.0));
    }
}

impl Visitor for Buffers {
    fn param(&mut self, _name: &str, _param: &Param) {}
    fn buffer(&mut self, _name: &str, buffer: &Buffer) {
        self.0.push(buffer.get());
    }
}

/// Puts buffers back, the first from the end.
struct Restore(Vec<Tensor>);

impl Visitor for Restore {
    fn param(&mut self, _name: &str, _param: &Param) {}
    fn buffer(&mut self, _name: &str, buffer: &Buffer) {
        if let Some(value) = self.0.pop() {
            buffer.set(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Buffer, Linear, Module, Param};
    use eras_tensor::{Dtype, Rng, Tensor};

    fn model(seed: u64) -> (Linear, Buffer) {
        let rng = &mut Rng::new(seed);
        (
            Linear::new(3, 2, rng),
            Buffer::new(&Tensor::randn([4], rng)),
        )
    }

    fn numbers(model: &impl Module) -> Vec<Vec<f32>> {
        model.state().iter().map(|(_, x)| x.to_vec()).collect()
    }

    #[test]
    fn what_was_saved_is_loaded_in_any_order() {
        let (a, mut b) = (model(1), model(2));
        b.freeze("0.bias");
        let mut state = a.state();
        state.reverse();
        b.load_state(&state).expect("the same model");
        assert_eq!(numbers(&a), numbers(&b));
        assert!(b.0.bias.as_ref().is_some_and(Param::is_frozen));
        assert!(!b.0.weight.is_frozen());
    }

    #[test]
    fn everything_wrong_is_listed_and_nothing_is_changed() {
        let mut b = model(2);
        let before = numbers(&b);
        let mut state = model(1).state();
        state[0].1 = state[0].1.t();
        state[1].0 = "0.bais".to_owned();
        state[2].1 = state[2].1.to_dtype(Dtype::F64);
        let error = b.load_state(&state).expect_err("another model");
        assert!(error.is_model_mismatch());
        assert_eq!(
            error.at("gpt2.safetensors").to_string(),
            "`gpt2.safetensors`: `0.weight` is [3, 2], but the model wants [2, 3]; `0.bias` is missing; \
             `1` is f64 [4], but the model wants f32 [4]; `0.bais` is not in the model"
        );
        assert_eq!(numbers(&b), before);
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_told() {
        let rng = &mut Rng::new(3);
        let mut body = model(1).state();
        body.push(("head.weight".to_owned(), Tensor::zeros([10, 2])));
        // Another head: more outputs, and a bias that is f64 there.
        let mut b = (Linear::new(3, 2, rng), Linear::new(2, 4, rng));
        b.freeze("0.*");
        let mut state = vec![body[0].clone(), body[1].clone(), body[3].clone()];
        state.push(("1.weight".to_owned(), Tensor::zeros([10, 2])));
        state.push(("1.bias".to_owned(), Tensor::zeros([4]).to_dtype(Dtype::F64)));
        let before = numbers(&b);
        let fitted = b.load_fitting(&state).expect("a body that fits");
        assert_eq!(fitted.taken, ["0.weight", "0.bias"]);
        assert_eq!(
            fitted.kept,
            [
                "`1.weight` is [10, 2] there, but the model wants [4, 2]",
                "`1.bias` is f64 [4] there, but the model wants f32 [4]"
            ]
        );
        assert_eq!(fitted.unused, ["head.weight"]);
        let after = numbers(&b);
        assert_eq!(after[..2], numbers(&model(1).0));
        assert_eq!(after[2..], before[2..]);
        assert!(b.0.weight.is_frozen() && !b.1.weight.is_frozen());

        // As many outputs, and nothing else in common.
        let mut other = (Linear::new(7, 2, rng), Linear::new(7, 7, rng));
        let before = numbers(&other);
        let error = other.load_fitting(&state).expect_err("nothing in common");
        assert!(error.is_model_mismatch());
        let wanted =
            "nothing fits: `0.weight` is [2, 3] there, but the model wants [2, 7]; `1.weight`";
        assert!(error.to_string().starts_with(wanted), "{error}");
        assert_eq!(numbers(&other), before);
    }

    #[test]
    fn a_long_list_is_cut() {
        let mut layers: Vec<Linear> = (0..6)
            .map(|_| Linear::new(1, 1, &mut Rng::new(0)))
            .collect();
        let error = layers.load_state(&[]).expect_err("nothing there");
        assert!(
            error
                .to_string()
                .ends_with("`3.bias` is missing; and 4 more"),
            "{error}"
        );
    }

    #[test]
    fn a_name_twice_is_refused() {
        let mut state = model(1).state();
        state.push(state[0].clone());
        let error = model(1).load_state(&state).expect_err("twice");
        assert_eq!(error.to_string(), "`0.weight` is there twice");
    }
}
