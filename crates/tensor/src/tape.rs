//! The tape: how results remember what they were computed from, and how gradients flow back.
//!
//! Each result of an operation on a tracked tensor holds a [`Node`]: its inputs' nodes and a rule that maps
//! the gradient of the result to gradients of the inputs. [`Tensor::backward`] walks the nodes in the reverse
//! of the order they were made in, frees what each rule saved as soon as it was used, and returns the gradients
//! of the leaves as a value.
//!
//! Rules are written in tensor operations, so that a gradient can itself be differentiated. A *fused*
//! operation has two: a fast rule (a kernel), and its definition, a short composition of simple operations,
//! through which the gradient of a gradient is taken.

use crate::Tensor;
#[cfg(debug_assertions)]
use crate::{dtype::Dtype, shape::Dims};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

mod custom;
mod gradients;
mod recompute;
#[cfg(test)]
mod tests;
mod walk;

pub use custom::{CustomOp, custom};
pub use gradients::Gradients;
pub use recompute::checkpoint;
use walk::Pending;
pub use walk::grad;

thread_local! {
    static RECORDING: Cell<Record> = const { Cell::new(Record::On) };
}

/// What happens to operations on tracked tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    On,
    Off,
    /// Not recorded, but what is tracked is taken note of; see [`checkpoint`].
    Watch,
}

/// One result on the tape.
pub(crate) struct Node {
    /// Larger than the ids of all inputs: descending order of ids is an order for the backward walk.
    id: u64,
    name: &'static str,
    #[cfg(debug_assertions)]
    kind: (Dtype, Dims),
    inputs: Inputs,
    /// `None` in a leaf, and where the walk was: what the rule saved has been freed.
    rule: Mutex<Option<Box<dyn Backward>>>,
    /// Nothing before this: a gradient that arrives here is one that was asked for.
    pub(crate) is_leaf: bool,
}

/// The nodes of the inputs that are tracked; one or two, as nearly always, take no memory of their own.
enum Inputs {
    One([Option<Arc<Node>>; 1]),
    Two([Option<Arc<Node>>; 2]),
    Many(Vec<Option<Arc<Node>>>),
}

impl Inputs {
    const NONE: Self = Self::Many(Vec::new());

    fn of(inputs: &[&Tensor]) -> Self {
        let node = |x: &Tensor| x.node().cloned();
        match inputs {
            [a] => Self::One([node(a)]),
            [a, b] => Self::Two([node(a), node(b)]),
            _ => Self::Many(inputs.iter().map(|x| node(x)).collect()),
        }
    }
}

impl Deref for Inputs {
    type Target = [Option<Arc<Node>>];
    fn deref(&self) -> &Self::Target {
        match self {
            Self::One(inputs) => inputs,
            Self::Two(inputs) => inputs,
            Self::Many(inputs) => inputs,
        }
    }
}

impl DerefMut for Inputs {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::One(inputs) => inputs,
            Self::Two(inputs) => inputs,
            Self::Many(inputs) => inputs,
        }
    }
}

/// Maps the gradient of a result to the gradients of its inputs, which go to `pending`.
trait Backward: Send + Sync {
    fn run(&self, b: &Back<'_>, pending: &mut Pending);

    /// Computes a fused operation again by what it means; `None` for those whose rule can be differentiated.
    fn by_definition(&self) -> Option<Tensor> {
        None
    }
}

/// A rule in tensor operations.
impl<const N: usize, F> Backward for F
where
    F: Fn(&Back<'_>) -> [Option<Tensor>; N] + Send + Sync,
{
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        for (i, gradient) in self(b).into_iter().enumerate() {
            if let Some(gradient) = gradient {
                pending.add_input(b.node, i, gradient);
            }
        }
    }
}

/// A rule for any number of inputs.
struct ForMany<F>(F);

impl<F> Backward for ForMany<F>
where
    F: Fn(&Back<'_>) -> Vec<Option<Tensor>> + Send + Sync,
{
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        for (i, gradient) in (self.0)(b).into_iter().enumerate() {
            if let Some(gradient) = gradient {
                pending.add_input(b.node, i, gradient);
            }
        }
    }
}

/// A rule for one input, which adds to what is there of its gradient.
struct Onto<F>(F);

impl<F> Backward for Onto<F>
where
    F: Fn(&Back<'_>, Option<Tensor>) -> Tensor + Send + Sync,
{
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        if b.wants(0) {
            let so_far = pending.take_input(b.node, 0);
            pending.add_input(b.node, 0, (self.0)(b, so_far));
        }
    }
}

/// A fast rule, and what the operation means with the inputs it was called with.
struct Fused<const N: usize, D, F> {
    inputs: [Tensor; N],
    definition: D,
    rule: F,
}

impl<const N: usize, D, F> Backward for Fused<N, D, F>
where
    D: Fn(&[Tensor; N]) -> Tensor + Send + Sync,
    F: Fn(&Back<'_>) -> [Option<Tensor>; N] + Send + Sync,
{
    fn run(&self, b: &Back<'_>, pending: &mut Pending) {
        self.rule.run(b, pending);
    }

    fn by_definition(&self) -> Option<Tensor> {
        Some((self.definition)(&self.inputs))
    }
}

/// What a rule is called with.
pub(crate) struct Back<'a> {
    /// The gradient of the result.
    pub(crate) dy: &'a Tensor,
    /// Whether the gradients will be differentiated again: only tensor operations will do then.
    pub(crate) differentiable: bool,
    node: &'a Arc<Node>,
    /// The nodes on the way to what is wanted; `None` where all gradients are.
    leading: Option<&'a BTreeSet<u64>>,
}

impl Back<'_> {
    /// Whether the gradient of input `i` is wanted.
    pub(crate) fn wants(&self, i: usize) -> bool {
        let on_the_way = |input: &Arc<Node>| self.leading.is_none_or(|ids| ids.contains(&input.id));
        self.node.inputs[i].as_ref().is_some_and(on_the_way)
    }

    /// The gradient of input `i`, computed only if it is wanted.
    pub(crate) fn want(&self, i: usize, gradient: impl FnOnce() -> Tensor) -> Option<Tensor> {
        self.wants(i).then(gradient)
    }

    /// The result itself, given the detached handle that the rule saved (a tracked one would hold itself).
    pub(crate) fn output(&self, saved: &Tensor) -> Tensor {
        if self.differentiable {
            saved.detach().with_node(Some(self.node.clone()))
        } else {
            saved.clone()
        }
    }
}

impl Node {
    #[cfg_attr(
        not(debug_assertions),
        expect(unused_variables, reason = "what gradients are checked against")
    )]
    fn new(
        name: &'static str,
        y: &Tensor,
        inputs: Inputs,
        rule: Option<Box<dyn Backward>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name,
            #[cfg(debug_assertions)]
            kind: (y.dtype(), y.dims()),
            is_leaf: inputs.is_empty(),
            inputs,
            rule: Mutex::new(rule),
        })
    }

    fn rule(&self) -> MutexGuard<'_, Option<Box<dyn Backward>>> {
        self.rule
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.id)
    }
}

/// A long history must not be dropped by recursion: it would overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        // The rule's own handles on the inputs go first, so that what follows holds the last ones.
        drop(self.rule().take());
        let mut pending: Vec<Arc<Self>> = Vec::new();
        let last_held = |inputs: &mut Inputs, pending: &mut Vec<Arc<Self>>| {
            for input in inputs.iter_mut().filter_map(Option::take) {
                // Others hold it still, or it is a leaf, which holds nothing: let it go.
                if Arc::strong_count(&input) == 1 && !input.is_leaf {
                    pending.push(input);
                }
            }
        };
        last_held(&mut self.inputs, &mut pending);
        while let Some(next) = pending.pop() {
            if let Some(mut node) = Arc::into_inner(next) {
                drop(node.rule().take());
                last_held(&mut node.inputs, &mut pending);
            }
        }
    }
}

/// Sets what is recorded until dropped.
struct Recording(Record);

impl Recording {
    fn set(to: Record) -> Self {
        Self(RECORDING.replace(to))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDING.set(self.0);
    }
}

/// Runs `f` without recording: results have no history and cost no memory for one.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::from([1.0f32]).requires_grad();
/// assert!(!no_grad(|| &x * 2.0).is_tracked());
/// assert!((&x * 2.0).is_tracked());
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    let _off = Recording::set(Record::Off);
    f()
}

/// Puts `y = op(inputs)` on the tape with its rule, if any input is tracked.
#[track_caller]
pub(crate) fn record<const N: usize>(
    name: &'static str,
    y: Tensor,
    inputs: [&Tensor; N],
    rule: impl Fn(&Back<'_>) -> [Option<Tensor>; N] + Send + Sync + 'static,
) -> Tensor {
    if !tracked(&inputs) {
        return y;
    }
    attach(name, y, Inputs::of(&inputs), Box::new(rule))
}

/// As [`record`] for any number of inputs.
#[track_caller]
pub(crate) fn record_many(
    name: &'static str,
    y: Tensor,
    inputs: &[&Tensor],
    rule: impl Fn(&Back<'_>) -> Vec<Option<Tensor>> + Send + Sync + 'static,
) -> Tensor {
    if !tracked(inputs) {
        return y;
    }
    attach(name, y, Inputs::of(inputs), Box::new(ForMany(rule)))
}

/// As [`record`] for an operation whose gradient is nothing but a few rows: `rule` gets what has come of the gradient from
/// elsewhere, and adds to it. What would be added up otherwise is a table for each use.
#[track_caller]
pub(crate) fn record_onto(
    name: &'static str,
    y: Tensor,
    input: &Tensor,
    rule: impl Fn(&Back<'_>, Option<Tensor>) -> Tensor + Send + Sync + 'static,
) -> Tensor {
    if !tracked(&[input]) {
        return y;
    }
    attach(name, y, Inputs::of(&[input]), Box::new(Onto(rule)))
}

/// Puts a fused operation on the tape: `rule` is its fast gradient, `definition` what it means.
#[track_caller]
pub(crate) fn record_fused<const N: usize>(
    name: &'static str,
    y: Tensor,
    inputs: [&Tensor; N],
    definition: impl Fn(&[Tensor; N]) -> Tensor + Send + Sync + 'static,
    rule: impl Fn(&Back<'_>) -> [Option<Tensor>; N] + Send + Sync + 'static,
) -> Tensor {
    if !tracked(&inputs) {
        return y;
    }
    let rule = Fused {
        inputs: inputs.map(Tensor::clone),
        definition,
        rule,
    };
    attach(name, y, Inputs::of(&inputs), Box::new(rule))
}

/// Whether an operation on these has to be recorded.
#[track_caller]
pub(crate) fn tracked(inputs: &[&Tensor]) -> bool {
    if inputs.iter().all(|x| x.node().is_none()) {
        return false;
    }
    match RECORDING.get() {
        Record::On => true,
        Record::Off => false,
        Record::Watch => {
            recompute::note(inputs);
            false
        }
    }
}

fn attach(name: &'static str, y: Tensor, inputs: Inputs, rule: Box<dyn Backward>) -> Tensor {
    let node = Node::new(name, &y, inputs, Some(rule));
    y.with_node(Some(node))
}

impl Tensor {
    /// This tensor as a leaf of the tape: gradients with respect to it are wanted. Its past is cut off.
    ///
    /// # Panics
    /// If the elements are not floats.
    #[must_use]
    #[track_caller]
    pub fn requires_grad(&self) -> Self {
        assert!(
            self.dtype().is_float(),
            "requires_grad: {} has no gradient; only floats do",
            self.dtype()
        );
        self.detach()
            .with_node(Some(Node::new("leaf", self, Inputs::NONE, None)))
    }

    /// The same numbers without history.
    #[must_use]
    pub fn detach(&self) -> Self {
        if self.node().is_none() {
            self.clone()
        } else {
            self.with_layout(*self.layout())
        }
    }

    /// Whether this is a leaf or was computed from one.
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.node().is_some()
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    let mut checks = custom::checks();
    checks.extend(recompute::checks());
    checks
}
