//! What a recipe promises, and what came of it.

use eras_report::format;
use std::fmt;

/// A number that came of a recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its name: `test_accuracy`.
    pub name: String,
    /// The number.
    pub value: f64,
    /// How it is read.
    pub unit: Unit,
}

impl Measured {
    /// The number `value` called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
        }
    }
}

/// How a number is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Plain,
    /// As a percentage of one.
    Share,
    /// As a whole number.
    Count,
}

/// What is promised of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// The number's name ([`Measured::name`]).
    pub name: &'static str,
    /// How it is read.
    pub unit: Unit,
    /// What it must be.
    pub bound: Bound,
}

/// Where a number must lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// There or above.
    AtLeast(f64),
    /// There or below.
    AtMost(f64),
}

impl Unit {
    /// The number as a person reads it.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Plain => format::significant(value),
            Self::Share => format::percent(value),
            Self::Count => format::count(value as u64),
        }
    }
}

impl Promise {
    /// Whether `measured` has the number, and it is as promised.
    #[must_use]
    pub fn is_kept(&self, measured: &[Measured]) -> bool {
        self.find(measured).is_some_and(|number| match self.bound {
            Bound::AtLeast(least) => number.value >= least,
            Bound::AtMost(most) => number.value <= most,
        })
    }

    /// The number that it is about.
    #[must_use]
    pub fn find<'a>(&self, measured: &'a [Measured]) -> Option<&'a Measured> {
        measured.iter().find(|number| number.name == self.name)
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace('_', " ");
        match self.bound {
            Bound::AtLeast(least) => write!(f, "{name} at least {}", self.unit.text(least)),
            Bound::AtMost(most) => write!(f, "{name} at most {}", self.unit.text(most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_kept_at_its_bound_and_broken_without_its_number() {
        let measured = |value| {
            [Measured {
                name: "test_accuracy".into(),
                value,
                unit: Unit::Share,
            }]
        };
        let promise = |bound| Promise {
            name: "test_accuracy",
            unit: Unit::Share,
            bound,
        };
        let least = promise(Bound::AtLeast(0.982));
        assert!(least.is_kept(&measured(0.982)) && least.is_kept(&measured(0.99)));
        assert!(!least.is_kept(&measured(0.98)) && !least.is_kept(&measured(f64::NAN)));
        assert!(!least.is_kept(&[]));
        let most = promise(Bound::AtMost(0.1));
        assert!(most.is_kept(&measured(0.1)) && !most.is_kept(&measured(0.11)));
        assert_eq!(least.to_string(), "test accuracy at least 98.20%");
        assert_eq!(most.to_string(), "test accuracy at most 10.00%");
    }
}
