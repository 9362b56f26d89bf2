//! The way back: from a result to the gradients of what it was computed from.

use super::gradients::{Gradients, check_dy};
use super::{Back, NEXT_ID, Node, Record, Recording};
use crate::Tensor;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Tensor {
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
        walk(node, dy, 0, Keep::Nothing, None, &mut |node, gradient| {
            if node.is_leaf {
                leaves.insert(node.id, gradient);
            }
        });
        Gradients::new(leaves)
    }
}

/// The gradients of `sum(y * dy)` with respect to `xs`, as tensors that can be differentiated again.
///
/// `xs` may be any tensors that `y` was computed from, not only leaves. Nothing on the tape is freed. An `x` that
/// `y` does not depend on gets zeros. Gradients that do not lie on the way to an `x` are not computed: those of a
/// network by its input cost nothing for its weights.
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
    let mut wanted: Vec<u64> = Vec::with_capacity(xs.len());
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
        let leading = leading(node, oldest, |id| wanted.contains(&id));
        let mut keep = |node: &Arc<Node>, gradient| {
            if wanted.contains(&node.id) {
                found.insert(node.id, gradient);
            }
        };
        walk(
            node,
            dy,
            oldest,
            Keep::Everything,
            Some(&leading),
            &mut keep,
        );
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
pub(super) enum Keep {
    /// Rules are taken, their saved tensors freed.
    Nothing,
    /// Rules stay, and the gradients are recorded themselves.
    Everything,
}

/// The ids of the nodes from which a way leads back to one that is wanted, through nodes younger than `oldest`.
fn leading(root: &Arc<Node>, oldest: u64, is_wanted: impl Fn(u64) -> bool) -> BTreeSet<u64> {
    let mut seen = BTreeMap::new();
    let mut pending = vec![root];
    while let Some(node) = pending.pop() {
        if seen.insert(node.id, node).is_none() && node.id > oldest {
            pending.extend(node.inputs.iter().flatten());
        }
    }
    let mut leading = BTreeSet::new();
    // The inputs of a node are older than it: they come first.
    for (id, node) in seen {
        let leads = || {
            let mut inputs = node.inputs.iter().flatten();
            id > oldest && inputs.any(|input| leading.contains(&input.id))
        };
        if is_wanted(id) || leads() {
            leading.insert(id);
        }
    }
    leading
}

/// Walks back from `root`, whose gradient is `dy`, entering all nodes younger than `oldest` but the leaves, and of them
/// only those that are `leading`, where that is given. The leaves, what is at least as old as `oldest`, and, if everything is kept, every node on the way is shown to
/// `visit` once, with its whole gradient.
#[track_caller]
pub(super) fn walk(
    root: &Arc<Node>,
    dy: &Tensor,
    oldest: u64,
    keep: Keep,
    leading: Option<&BTreeSet<u64>>,
    visit: &mut dyn FnMut(&Arc<Node>, Tensor),
) {
    let _recording = Recording::set(match keep {
        Keep::Nothing => Record::Off,
        Keep::Everything => Record::On,
    });
    let mut pending = Pending::default();
    pending.add(root, dy.clone());
    while let Some((node, dy)) = pending.latest() {
        if leading.is_some_and(|leading| !leading.contains(&node.id)) {
            continue;
        }
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
            leading,
        };
        if b.differentiable {
            let newest = NEXT_ID.load(Ordering::Relaxed) - 1;
            if let Some(y) = rule.by_definition() {
                through_definition(&y, newest, &b, &mut pending);
                continue;
            }
        }
        rule.run(&b, &mut pending);
    }
}

/// The gradient of a fused operation through `y`, its result computed by what it means: all nodes after `newest`.
fn through_definition(y: &Tensor, newest: u64, b: &Back<'_>, pending: &mut Pending) {
    let Some(root) = y.node() else { return };
    let leading = b
        .leading
        .map(|outer| leading(root, newest, |id| outer.contains(&id)));
    let mut on = |node: &Arc<Node>, gradient| {
        if node.id <= newest {
            pending.add(node, gradient);
        }
    };
    walk(
        root,
        b.dy,
        newest,
        Keep::Everything,
        leading.as_ref(),
        &mut on,
    );
}

/// Gradients on their way down, added up by node. The latest stands apart: a chain of operations needs no map.
#[derive(Default)]
pub(super) struct Pending {
    latest: Option<(Arc<Node>, Tensor)>,
    others: BTreeMap<u64, (Arc<Node>, Tensor)>,
}

impl Pending {
    /// Adds a gradient of input `i` of `node`, if that is wanted.
    pub(super) fn add_input(&mut self, node: &Node, i: usize, gradient: Tensor) {
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

    /// Takes what has come for input `i` of `node` so far; it must be given back before anything else is added.
    pub(super) fn take_input(&mut self, node: &Node, i: usize) -> Option<Tensor> {
        let id = node.inputs[i].as_ref()?.id;
        let latest = self.latest.take_if(|(latest, _)| latest.id == id);
        let (_, gradient) = latest.or_else(|| self.others.remove(&id))?;
        Some(gradient)
    }

    pub(super) fn add(&mut self, node: &Arc<Node>, gradient: Tensor) {
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
