//! What can be measured, and how to find it by name.

use crate::measurement::Kind;
use eras_tensor::{Error, Result, nearest};
use std::fmt;
use std::rc::Rc;

/// One step of a workload, to be repeated.
pub(crate) type Step = Box<dyn FnMut()>;

/// Something to measure.
#[derive(Clone)]
pub struct Workload {
    /// The name, as `--only` takes it.
    pub name: String,
    /// What one step does, in a line.
    pub about: String,
    /// What limits it, hence what its share is a share of.
    pub kind: Kind,
    /// Floating point operations of a step, where they are what limits it.
    pub flops: Option<f64>,
    /// Bytes that a step moves at least, where they are what limits it.
    pub bytes: Option<f64>,
    /// Whether it is measured on one thread too, if no number of threads was asked for.
    pub(crate) on_one_too: bool,
    /// Makes the tensors and the step.
    pub(crate) prepare: Rc<dyn Fn() -> Step>,
}

impl Workload {
    pub(crate) fn compute(
        name: &str,
        about: &str,
        flops: f64,
        prepare: impl Fn() -> Step + 'static,
    ) -> Self {
        Self {
            flops: Some(flops),
            ..Self::overhead(name, about, prepare).of(Kind::F32)
        }
    }

    pub(crate) fn memory(
        name: &str,
        about: &str,
        bytes: f64,
        prepare: impl Fn() -> Step + 'static,
    ) -> Self {
        Self {
            bytes: Some(bytes),
            ..Self::overhead(name, about, prepare).of(Kind::Memory)
        }
    }

    pub(crate) fn overhead(name: &str, about: &str, prepare: impl Fn() -> Step + 'static) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            kind: Kind::Overhead,
            flops: None,
            bytes: None,
            on_one_too: false,
            prepare: Rc::new(prepare),
        }
    }

    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.about)
    }
}

/// Everything that can be measured, in the order in which it is.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let mut all = vec![crate::workloads::mlp::workload()];
    all.extend(crate::workloads::networks::workloads());
    all.extend(crate::workloads::language::workloads());
    all.extend(crate::workloads::matmul::workloads());
    all.extend(crate::workloads::attention::workloads());
    all.extend(crate::workloads::rows::workloads());
    all.push(crate::workloads::adam::workload());
    all.push(crate::workloads::transformer::workload());
    all.extend(crate::workloads::small::workloads());
    all.extend(crate::workloads::early::workloads());
    all
}

/// Those of `all` that `only` names, or all where it names none. A name that ends in `*` stands for all that begin so.
pub(crate) fn choose(all: Vec<Workload>, only: &[String]) -> Result<Vec<Workload>> {
    let matches = |workload: &Workload, pattern: &str| match pattern.strip_suffix('*') {
        Some(head) => workload.name.starts_with(head),
        None => workload.name == pattern,
    };
    if let Some(unknown) = only
        .iter()
        .find(|word| !all.iter().any(|w| matches(w, word)))
    {
        let known: Vec<&str> = all.iter().map(|w| w.name.as_str()).collect();
        return Err(Error::usage(format!(
            "there is no workload `{unknown}`; {}",
            nearest(unknown, &known)
        )));
    }
    let chosen = |w: &Workload| only.is_empty() || only.iter().any(|word| matches(w, word));
    Ok(all.into_iter().filter(chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(only: &[&str]) -> Result<Vec<String>> {
        let only: Vec<String> = only.iter().map(|&word| word.to_owned()).collect();
        Ok(choose(workloads(), &only)?
            .into_iter()
            .map(|w| w.name)
            .collect())
    }

    #[test]
    fn names_are_all_different_and_each_says_what_it_does() {
        let all = workloads();
        let names: BTreeSet<&str> = all.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        for w in &all {
            assert!(w.about.len() > 10, "{w:?}");
            let limit = (w.flops.is_some(), w.bytes.is_some());
            let wanted = match w.kind {
                Kind::F32 | Kind::Bf16 => (true, false),
                Kind::Memory | Kind::Read => (false, true),
                Kind::Overhead => (false, false),
                Kind::Peak => unreachable!("a limit is no workload"),
            };
            assert_eq!(limit, wanted, "{w:?}");
        }
    }

    #[test]
    fn nothing_named_is_everything_and_a_star_stands_for_the_rest_of_a_name() {
        assert_eq!(names(&[]).unwrap().len(), workloads().len());
        assert_eq!(names(&["scalar_add"]).unwrap(), ["scalar_add"]);
        assert_eq!(names(&["scalar*", "scalar_add"]).unwrap(), ["scalar_add"]);
    }

    #[test]
    fn an_unknown_name_is_wrong_usage_and_the_nearest_is_named() {
        let error = names(&["scalar_add", "scaler_ad"]).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "there is no workload `scaler_ad`; did you mean `scalar_add`?"
        );
        assert!(names(&["zzz*"]).unwrap_err().is_usage());
    }
}
