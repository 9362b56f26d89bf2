//! Our operations against PyTorch's values, stored as data in `testdata` (see its README): results and gradients.
//!
//! A case of an operation that is not in the table of `ops.rs` fails, and so does an exception that is none any more.

mod case;
mod losses;
mod ops;

use case::{Case, folder};
use eras_tensor::{Dtype, Tensor};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The files whose cases are run here.
const FILES: [&str; 10] = [
    "attention",
    "binary",
    "conv",
    "elementwise",
    "images",
    "indexing",
    "losses",
    "matmul",
    "norms",
    "reductions",
];
/// Those that the tests of `eras-nn` and `eras-train` read.
const ELSEWHERE: [&str; 6] = [
    "layers",
    "metrics",
    "optimizers",
    "schedules",
    "trainings",
    "whole_optimizers",
];

/// The largest difference allowed, as relative and absolute part.
fn tolerance(case: &Case, dtype: Dtype) -> (f64, f64) {
    let (rtol, atol) = match dtype {
        Dtype::F32 => (1.3e-6, 1e-5),
        Dtype::F64 => (1e-7, 1e-7),
        Dtype::BF16 => (1.6e-2, 1e-5),
        Dtype::F16 => (1e-3, 1e-5),
        _ => (0.0, 0.0),
    };
    (rtol, case.number_or("atol", atol))
}

/// What is wrong with `ours`, if anything.
fn difference(case: &Case, what: &str, ours: &Tensor, stored: &Tensor) -> Option<String> {
    if ours.shape() != stored.shape() {
        return Some(format!(
            "{what} has shape {:?}, wanted {:?}",
            ours.shape(),
            stored.shape()
        ));
    }
    // Truth values are stored as bytes; whole numbers may be kept in another type than PyTorch's.
    if stored.dtype().is_float() && ours.dtype() != stored.dtype() {
        return Some(format!(
            "{what} is {}, wanted {}",
            ours.dtype(),
            stored.dtype()
        ));
    }
    let (rtol, atol) = tolerance(case, stored.dtype());
    let numbers = |x: &Tensor| x.to_dtype(Dtype::F64).to_vec::<f64>();
    let pairs = numbers(ours).into_iter().zip(numbers(stored));
    for (i, (a, b)) in pairs.enumerate() {
        let same = a == b || (a.is_nan() && b.is_nan());
        let close = (a - b).abs() <= atol + rtol * b.abs();
        if !(same || close) {
            return Some(format!("{what}[{i}] is {a:e}, wanted {b:e}"));
        }
    }
    None
}

/// Runs a case; what is wrong with the results and gradients.
fn run(case: &Case, op: ops::Op) -> Vec<String> {
    let results = op(case);
    let mut wrong = Vec::new();
    for (name, ours) in &results {
        let Some(stored) = case.stored(name) else {
            panic!("{} has no stored `{name}`", case.name);
        };
        wrong.extend(difference(case, name, ours, stored));
    }
    if let Some(dy) = case.stored("dy") {
        let (_, y) = &results[0];
        let grads = y.backward_with(dy);
        for (i, x) in case.inputs.iter().enumerate() {
            let Some(stored) = case.gradient(i) else {
                continue;
            };
            let ours = grads
                .get(x)
                .cloned()
                .unwrap_or_else(|| Tensor::zeros_like(x));
            wrong.extend(difference(case, &format!("grad{i}"), &ours, stored));
        }
    }
    wrong
}

/// What a panic said.
fn message(cause: &(dyn Any + Send)) -> String {
    let owned = cause.downcast_ref::<String>().cloned();
    let text = owned.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    format!("panicked: {}", text.unwrap_or_default())
}

#[test]
fn every_file_of_reference_values_is_read() {
    let known: Vec<&str> = FILES.iter().chain(&ELSEWHERE).copied().collect();
    for entry in std::fs::read_dir(folder()).expect("testdata") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if path.extension().is_some_and(|e| e == "safetensors") {
            assert!(
                stem.is_some_and(|stem| known.contains(&stem)),
                "nobody reads {}",
                path.display()
            );
        }
    }
}

#[test]
fn our_values_and_gradients_are_pytorchs() {
    let table: BTreeMap<&str, ops::Op> = ops::table().into_iter().chain(losses::table()).collect();
    let mut wrong = Vec::new();
    let (mut excused, mut count) = (Vec::new(), 0);
    for case in FILES.into_iter().flat_map(Case::read) {
        let reason = ops::DIFFERENT.iter().find(|(name, _)| *name == case.name);
        let Some(op) = table.get(&case.op[..]) else {
            wrong.push(format!("{}: no such operation in the table", case.name));
            continue;
        };
        count += 1;
        let found = catch_unwind(AssertUnwindSafe(|| run(&case, *op)))
            .unwrap_or_else(|cause| vec![message(&*cause)]);
        match reason {
            Some((name, _)) if !found.is_empty() => excused.push(*name),
            _ => wrong.extend(found.into_iter().map(|e| format!("{}: {e}", case.name))),
        }
    }
    for (name, _) in ops::DIFFERENT {
        if !excused.contains(name) {
            wrong.push(format!("{name}: an exception that is none any more"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
