//! Layers tell what they did, when somebody wants to know: see [`Summary`](crate::Summary).

use crate::Module;
use eras_tensor::{Tensor, count};
use std::cell::RefCell;

/// What one call of a layer did.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: &'static str,
    /// The parameters of the layer, by which its name is found.
    pub(crate) params: Vec<Tensor>,
    pub(crate) output: Vec<usize>,
    pub(crate) flops: u64,
}

thread_local! {
    static CALLS: RefCell<Option<Vec<Call>>> = const { RefCell::new(None) };
}

/// Runs `f` and returns the calls of layers within, in order.
pub(crate) fn watch<R>(f: impl FnOnce() -> R) -> (R, Vec<Call>) {
    let outer = CALLS.replace(Some(Vec::new()));
    let result = f();
    let calls = CALLS.replace(outer).unwrap_or_default();
    (result, calls)
}

/// The beginning of a layer's call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    flops: u64,
}

impl Watch {
    pub(crate) fn begin() -> Self {
        Self {
            flops: count::flops(),
        }
    }

    /// The end of the call, which gave `y`; returns `y`.
    pub(crate) fn end(self, kind: &'static str, layer: &dyn Module, y: Tensor) -> Tensor {
        CALLS.with_borrow_mut(|calls| {
            if let Some(calls) = calls {
                calls.push(Call {
                    kind,
                    params: layer.named_params().into_iter().map(|(_, w)| w).collect(),
                    output: y.shape().to_vec(),
                    flops: count::flops() - self.flops,
                });
            }
        });
        y
    }
}
