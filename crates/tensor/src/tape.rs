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
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

mod custom;
mod recompute;

pub use custom::{CustomOp, custom};
pub use recompute::checkpoint;

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
}

impl Back<'_> {
    /// Whether the gradient of input `i` is wanted.
    pub(crate) fn wants(&self, i: usize) -> bool {
        self.node.inputs[i].is_some()
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

    /// The gradients of this single number with respect to all leaves it was computed from.
    ///
    /// What the tape saved is freed on the way: a second call panics. See [`grad`] for gradients of gradients.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let w = Tensor::from([1.0f32, 2.0]).requires_grad();
    /// let grads = (&w * &w).sum(..).backward();
    /// assert_eq!(grads[&w].to_vec::<f32>(), [2.0, 4.0]);
    /// ```
    ///
    /// # Panics
    /// If this is not a single number, was not computed from any leaf, or was walked already.
    #[must_use]
    #[track_caller]
    pub fn backward(&self) -> Gradients {
        assert!(
            self.len() == 1,
            "backward: a gradient is that of one number, but shape {:?} holds {}",
            self.shape(),
            self.len()
        );
        self.backward_with(&Self::full(self.dims(), 1.0, self.dtype()))
    }

    /// As [`backward`](Self::backward) for a tensor of any shape, given the gradient `dy` of it.
    ///
    /// # Panics
    /// If `dy` has another shape or dtype, or as `backward` does.
    #[must_use]
    #[track_caller]
    pub fn backward_with(&self, dy: &Self) -> Gradients {
        check_dy(self, dy);
        let Some(node) = self.node() else {
            panic!(
                "backward: the tensor of shape {:?} was not computed from any leaf (see requires_grad, no_grad)",
                self.shape()
            );
        };
        let mut leaves = BTreeMap::new();
        walk(node, dy, 0, Keep::Nothing, &mut |node, gradient| {
            if node.is_leaf {
                leaves.insert(node.id, gradient);
            }
        });
        Gradients { leaves }
    }
}

#[track_caller]
fn check_dy(y: &Tensor, dy: &Tensor) {
    assert!(
        dy.shape() == y.shape() && dy.dtype() == y.dtype(),
        "backward: the gradient is {} {:?}, but the result is {} {:?}",
        dy.dtype(),
        dy.shape(),
        y.dtype(),
        y.shape()
    );
}

/// The gradients of `sum(y * dy)` with respect to `xs`, as tensors that can be differentiated again.
///
/// `xs` may be any tensors that `y` was computed from, not only leaves. Nothing on the tape is freed. An `x` that
/// `y` does not depend on gets zeros.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::from(3.0f64).requires_grad();
/// let y = &x * &x * &x;
/// let dx = grad(&y, &[&x], None).remove(0); // 3 x²
/// assert_eq!(dx.backward()[&x].item(), 18.0); // 6 x
/// ```
///
/// # Panics
/// If `dy` does not have the shape of `y` (without one, `y` must be a single number), or an `x` is not tracked.
#[must_use]
#[track_caller]
pub fn grad(y: &Tensor, xs: &[&Tensor], dy: Option<&Tensor>) -> Vec<Tensor> {
    let ones;
    let dy = if let Some(dy) = dy {
        dy
    } else {
        assert!(
            y.len() == 1,
            "grad: shape {:?} is not one number; say what its gradient is",
            y.shape()
        );
        ones = Tensor::full(y.dims(), 1.0, y.dtype());
        &ones
    };
    check_dy(y, dy);
    let mut wanted = Vec::with_capacity(xs.len());
    for x in xs {
        let Some(node) = x.node() else {
            panic!(
                "grad: an x of shape {:?} is not tracked (see requires_grad)",
                x.shape()
            )
        };
        wanted.push(node.id);
    }
    let oldest = wanted.iter().copied().min().unwrap_or(0);
    let mut found = BTreeMap::new();
    if let Some(node) = y.node() {
        walk(node, dy, oldest, Keep::Everything, &mut |node, gradient| {
            if wanted.contains(&node.id) {
                found.insert(node.id, gradient);
            }
        });
    }
    wanted
        .iter()
        .zip(xs)
        .map(|(id, x)| {
            found
                .get(id)
                .cloned()
                .unwrap_or_else(|| Tensor::zeros_like(x))
        })
        .collect()
}

/// What a walk leaves on the tape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Rules are taken, their saved tensors freed.
    Nothing,
    /// Rules stay, and the gradients are recorded themselves.
    Everything,
}

/// Walks back from `root`, whose gradient is `dy`, entering all nodes younger than `oldest` but the leaves.
/// The leaves, what is at least as old
/// as `oldest`, and, if everything is kept, every node on the way is shown to `visit` once, with its whole gradient.
#[track_caller]
fn walk(
    root: &Arc<Node>,
    dy: &Tensor,
    oldest: u64,
    keep: Keep,
    visit: &mut dyn FnMut(&Arc<Node>, Tensor),
) {
    let _recording = Recording::set(match keep {
        Keep::Nothing => Record::Off,
        Keep::Everything => Record::On,
    });
    let mut pending = Pending::default();
    pending.add(root, dy.clone());
    while let Some((node, dy)) = pending.latest() {
        if node.is_leaf || node.id <= oldest {
            visit(&node, dy);
            continue;
        }
        let taken;
        let guard;
        let rule = if keep == Keep::Nothing {
            taken = node.rule().take();
            &taken
        } else {
            visit(&node, dy.clone());
            guard = node.rule();
            &*guard
        };
        let Some(rule) = rule else {
            panic!(
                "backward: `{}` was walked already and its saved tensors freed; compute the loss again",
                node.name
            )
        };
        let b = Back {
            dy: &dy,
            differentiable: keep == Keep::Everything,
            node: &node,
        };
        if b.differentiable {
            let newest = NEXT_ID.load(Ordering::Relaxed) - 1;
            if let Some(y) = rule.by_definition() {
                through_definition(&y, newest, b.dy, &mut pending);
                continue;
            }
        }
        rule.run(&b, &mut pending);
    }
}

/// The gradient of a fused operation through `y`, its result computed by what it means: all nodes after `newest`.
fn through_definition(y: &Tensor, newest: u64, dy: &Tensor, pending: &mut Pending) {
    let Some(root) = y.node() else { return };
    walk(root, dy, newest, Keep::Everything, &mut |node, gradient| {
        if node.id <= newest {
            pending.add(node, gradient);
        }
    });
}

/// Gradients on their way down, added up by node. The latest stands apart: a chain of operations needs no map.
#[derive(Default)]
struct Pending {
    latest: Option<(Arc<Node>, Tensor)>,
    others: BTreeMap<u64, (Arc<Node>, Tensor)>,
}

impl Pending {
    /// Adds a gradient of input `i` of `node`, if that is wanted.
    fn add_input(&mut self, node: &Node, i: usize, gradient: Tensor) {
        if let Some(input) = &node.inputs[i] {
            #[cfg(debug_assertions)]
            assert!(
                (gradient.dtype(), gradient.dims()) == input.kind,
                "the rule of `{}` made a gradient {} {:?} for an input {:?}",
                node.name,
                gradient.dtype(),
                gradient.shape(),
                input.kind
            );
            self.add(input, gradient);
        }
    }

    fn add(&mut self, node: &Arc<Node>, gradient: Tensor) {
        match &mut self.latest {
            Some((latest, sum)) if latest.id == node.id => return *sum += &gradient,
            Some((latest, _)) if latest.id > node.id => {}
            latest => {
                if let Some(older) = latest.replace((node.clone(), gradient)) {
                    self.others.insert(older.0.id, older);
                }
                return;
            }
        }
        match self.others.entry(node.id) {
            Entry::Vacant(place) => {
                place.insert((node.clone(), gradient));
            }
            Entry::Occupied(mut place) => place.get_mut().1 += &gradient,
        }
    }

    fn latest(&mut self) -> Option<(Arc<Node>, Tensor)> {
        let latest = self.latest.take()?;
        self.latest = self.others.pop_last().map(|(_, entry)| entry);
        Some(latest)
    }
}

/// The gradients of one number with respect to the leaves it was computed from: a value, keyed by leaf.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    leaves: BTreeMap<u64, Tensor>,
}

impl Gradients {
    /// The gradient with respect to `leaf`; `None` if the loss does not depend on it.
    #[must_use]
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        self.leaves.get(&leaf.node()?.id)
    }

    /// Takes the gradient with respect to `leaf` out.
    pub fn remove(&mut self, leaf: &Tensor) -> Option<Tensor> {
        self.leaves.remove(&leaf.node()?.id)
    }

    /// Puts `gradient` in the place of the gradient with respect to `leaf`.
    ///
    /// # Panics
    /// If `leaf` is not a leaf, or the shapes or dtypes differ.
    #[track_caller]
    pub fn set(&mut self, leaf: &Tensor, gradient: Tensor) {
        let node = leaf
            .node()
            .filter(|node| node.is_leaf)
            .expect("set: the tensor is not a leaf (see requires_grad)");
        check_dy(leaf, &gradient);
        self.leaves.insert(node.id, gradient);
    }

    /// How many leaves have a gradient.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// All gradients, in the order in which their leaves were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.leaves.values()
    }

    /// All gradients, to change, in the order in which their leaves were made.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.leaves.values_mut()
    }
}

impl std::ops::Index<&Tensor> for Gradients {
    type Output = Tensor;

    #[track_caller]
    fn index(&self, leaf: &Tensor) -> &Tensor {
        let Some(gradient) = self.get(leaf) else {
            panic!(
                "no gradient for the tensor of shape {:?}: the loss does not depend on it",
                leaf.shape()
            );
        };
        gradient
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::checks::Check> {
    let mut checks = custom::checks();
    checks.extend(recompute::checks());
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(x: f64) -> Tensor {
        Tensor::from(x).requires_grad()
    }

    #[test]
    fn a_tensor_used_twice_gets_the_sum() {
        let x = leaf(3.0);
        let grads = (&x * &x + &x).backward();
        assert_eq!(grads[&x].item(), 7.0);
    }

    #[test]
    fn gradients_of_gradients_of_gradients() {
        let x = leaf(2.0);
        let y = &x * &x * &x * &x;
        let d1 = grad(&y, &[&x], None).remove(0);
        let d2 = grad(&d1, &[&x], None).remove(0);
        let d3 = grad(&d2, &[&x], None).remove(0);
        assert_eq!((d1.item(), d2.item(), d3.item()), (32.0, 48.0, 48.0));
        // What keeps its output: the slope of tanh is written in tanh itself.
        let t = x.tanh();
        let d1 = grad(&t, &[&x], None).remove(0);
        let d2 = grad(&d1, &[&x], None).remove(0).item();
        let t = 2.0f64.tanh();
        assert!((d2 - -2.0 * t * (1.0 - t * t)).abs() < 1e-12);
    }

    #[test]
    fn a_gradient_in_the_middle_passes_through() {
        let x = leaf(3.0);
        let h = &x * 2.0;
        let y = &h * &h;
        let both = grad(&y, &[&x, &h], None);
        assert_eq!((both[0].item(), both[1].item()), (24.0, 12.0));
        let unrelated = leaf(1.0);
        assert_eq!(grad(&y, &[&unrelated], None)[0].item(), 0.0);
    }

    #[test]
    fn a_history_of_many_steps_is_dropped_and_walked_without_recursion() {
        let x = leaf(1.0);
        let mut y = &x * 1.0;
        for _ in 0..200_000 {
            y = y.add_scalar(0.0);
        }
        assert_eq!(y.backward()[&x].item(), 1.0);
        let mut z = &x * 1.0;
        for _ in 0..200_000 {
            z = z.tanh();
        }
        drop(z);
    }

    #[test]
    fn what_the_tape_saved_is_freed_by_the_walk() {
        let w = Tensor::randn([4], &mut crate::Rng::new(0)).requires_grad();
        let mut h = &w * 2.0;
        let loss = (&h * &h).sum(..);
        assert!(!h.is_sole_owner());
        let _grads = loss.backward();
        assert!(
            h.is_sole_owner(),
            "the loss still lives, but what it saved does not"
        );
    }

    #[test]
    #[should_panic(
        expected = "backward: `mul` was walked already and its saved tensors freed; compute the loss again"
    )]
    fn a_second_walk_is_refused() {
        let y = leaf(1.0) * 2.0;
        let _first = y.backward();
        let _second = y.backward();
    }

    #[test]
    #[should_panic(expected = "was not computed from any leaf")]
    fn a_loss_without_leaves_is_refused() {
        let _grads = Tensor::from(1.0).backward();
    }

    #[test]
    fn an_update_in_place_is_seen_by_nobody_else() {
        let mut w = Tensor::from([1.0f32, 2.0]).requires_grad();
        let (before, view) = (w.clone(), w.narrow(0, 1, 1));
        w.as_mut_slice::<f32>()[1] = 9.0;
        assert_eq!(w.to_vec::<f32>(), [1.0, 9.0]);
        assert_eq!(
            (before.to_vec::<f32>(), view.to_vec::<f32>()),
            (vec![1.0, 2.0], vec![2.0])
        );
        assert!(w.is_tracked(), "a leaf stays a leaf");
        drop((before, view));
        let at = w.as_slice::<f32>().as_ptr();
        assert_eq!(
            w.as_mut_slice::<f32>().as_ptr(),
            at,
            "alone with its storage, nothing is copied"
        );
    }
}
