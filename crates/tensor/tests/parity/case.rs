//! The stored cases: inputs, options, wanted result and gradients (see `testdata/README.md`).

use eras_tensor::{Dtype, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata"))
}

/// One call of an operation.
pub(crate) struct Case {
    pub(crate) op: String,
    /// `op/case`
    pub(crate) name: String,
    /// The arguments in PyTorch's order; those with a gradient are leaves.
    pub(crate) inputs: Vec<Tensor>,
    options: Value,
    tensors: BTreeMap<String, Tensor>,
}

impl Case {
    /// All cases of a file, in the order of their names.
    pub(crate) fn read(file: &str) -> Vec<Self> {
        let path = folder().join(format!("{file}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let options = metadata.metadata().clone().expect("the cases' options");
        let mut cases: BTreeMap<String, Self> = BTreeMap::new();
        for (name, options) in options.iter().filter(|(name, _)| *name != "versions") {
            let case = Self {
                op: name.split('/').next().unwrap_or_default().to_owned(),
                name: name.clone(),
                inputs: Vec::new(),
                options: serde_json::from_str(options).expect("options in JSON"),
                tensors: BTreeMap::new(),
            };
            cases.insert(name.clone(), case);
        }
        for (name, view) in file.tensors() {
            let (case, part) = name.rsplit_once('/').expect("op/case/tensor");
            let dtype = match view.dtype() {
                safetensors::Dtype::F32 => Dtype::F32,
                safetensors::Dtype::F64 => Dtype::F64,
                safetensors::Dtype::BF16 => Dtype::BF16,
                safetensors::Dtype::F16 => Dtype::F16,
                safetensors::Dtype::I64 => Dtype::I64,
                safetensors::Dtype::U8 => Dtype::U8,
                other => panic!("{name} is {other:?}"),
            };
            let tensor = Tensor::from_bytes(view.data(), view.shape(), dtype);
            let case = cases.get_mut(case).expect("a case with options");
            case.tensors.insert(part.to_owned(), tensor);
        }
        let mut cases: Vec<Self> = cases.into_values().collect();
        for case in &mut cases {
            while let Some(input) = case.tensors.get(&format!("input{}", case.inputs.len())) {
                let wanted = case.gradient(case.inputs.len()).is_some();
                let input = if wanted {
                    input.requires_grad()
                } else {
                    input.clone()
                };
                case.inputs.push(input);
            }
        }
        cases
    }

    /// Argument `i`.
    pub(crate) fn x(&self, i: usize) -> &Tensor {
        &self.inputs[i]
    }

    /// Argument `i`, a mask, as truth values.
    pub(crate) fn mask(&self, i: usize) -> Tensor {
        self.inputs[i].to_dtype(Dtype::Bool)
    }

    /// The stored tensor of this name.
    pub(crate) fn stored(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The stored gradient with respect to argument `i`.
    pub(crate) fn gradient(&self, i: usize) -> Option<&Tensor> {
        self.stored(&format!("grad{i}"))
    }

    pub(crate) fn has(&self, option: &str) -> bool {
        !self.options[option].is_null()
    }

    pub(crate) fn flag(&self, option: &str) -> bool {
        self.options[option].as_bool().unwrap_or(false)
    }

    /// A number among the options; 0 if it is not there.
    pub(crate) fn number(&self, option: &str) -> f64 {
        self.number_or(option, 0.0)
    }

    /// A number among the options; `default`, which is PyTorch's, if it is not there.
    pub(crate) fn number_or(&self, option: &str, default: f64) -> f64 {
        match &self.options[option] {
            Value::String(infinite) if infinite == "inf" => f64::INFINITY,
            value => value.as_f64().unwrap_or(default),
        }
    }

    pub(crate) fn whole(&self, option: &str) -> isize {
        self.number(option) as isize
    }

    pub(crate) fn text(&self, option: &str) -> &str {
        self.options[option].as_str().unwrap_or_default()
    }

    /// Whole numbers among the options; none where the option is missing or null.
    pub(crate) fn list(&self, option: &str) -> Vec<isize> {
        let numbers = self.options[option].as_array();
        let whole = |value: &Value| value.as_i64().expect("a whole number") as isize;
        numbers.into_iter().flatten().map(whole).collect()
    }

    /// Numbers among the options.
    pub(crate) fn numbers(&self, option: &str) -> Vec<f64> {
        let numbers = self.options[option].as_array();
        let number = |value: &Value| value.as_f64().expect("a number");
        numbers.into_iter().flatten().map(number).collect()
    }

    /// The axes `dim` of a reduction; all where it is null.
    pub(crate) fn axes(&self) -> Vec<isize> {
        match &self.options["dim"] {
            Value::Null => (0..self.x(0).rank() as isize).collect(),
            Value::Number(_) => vec![self.whole("dim")],
            _ => self.list("dim"),
        }
    }
}
