//! What the optimizers have in common: the walk over the model, state, parameter groups, clipping.

use super::{Optimizer, clip};
use crate::module::matches;
use crate::{Module, Param, Path, VisitorMut};
use eras_kernels::Float;
use eras_kernels::optim::Reading;
use eras_tensor::{Dtype, Element, Error, Gradients, Result, Tensor};
use std::fmt::Debug;

/// The number types that optimizers update: `f32` and `f64`.
pub trait Number: Float + Element<Stored = Self> {}
impl Number for f32 {}
impl Number for f64 {}

/// What an optimizer does to one parameter, when every weight is treated alone.
///
/// Implement it for a new optimizer; [`Elementwise`] does the rest.
pub trait Rule: Clone + Debug + Send + Sync + 'static {
    /// The name, as `adam`.
    fn name(&self) -> &'static str;

    /// The tensors kept for each parameter, by the names they are saved under, each with the value it begins
    /// with.
    fn states(&self) -> &[(&'static str, f64)];

    /// The settings of the rule with their values as TOML writes them.
    fn settings(&self) -> Vec<(&'static str, String)>;

    /// One step in place: weights, raw gradients (to be read through [`Update::reading`]), states in the order
    /// of [`states`](Self::states).
    fn update<T: Number>(&self, at: &Update, w: &mut [T], g: &[T], states: &mut [Tensor]);

    /// What [`update`](Self::update) means, in tensor operations: the new weights, given gradients that have
    /// been read already; changes `states`.
    fn definition(&self, at: &Update, w: &Tensor, g: &Tensor, states: &mut [Tensor]) -> Tensor;
}

/// The circumstances of one update of one parameter.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// The learning rate, the group's scale included.
    pub lr: f64,
    /// How strongly weights are drawn to zero.
    pub weight_decay: f64,
    /// Which update of this parameter it is; the first is 1.
    pub t: u64,
    /// What gradients are multiplied by.
    pub scale: f64,
    /// The largest absolute value of a gradient; infinity for all.
    pub clip: f64,
}

impl Update {
    /// How gradients are read: scaled, clipped, and with `weight_decay · w` added.
    #[must_use]
    pub fn reading<T: Number>(&self) -> Reading<T> {
        Reading {
            scale: T::of(self.scale),
            clip: T::of(self.clip),
            decay: T::of(self.weight_decay),
        }
    }
}

/// How some parameters are trained differently.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Group {
    weight_decay: Option<f64>,
    lr_scale: Option<f64>,
}

impl Group {
    /// Their own weight decay.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self
    }

    /// Multiplies their learning rate.
    #[must_use]
    pub fn lr_scale(mut self, scale: f64) -> Self {
        self.lr_scale = Some(scale);
        self
    }
}

/// An optimizer that treats every weight alone, by a [`Rule`]: all those of this crate.
#[derive(Debug, Clone)]
pub struct Elementwise<R> {
    pub(super) rule: R,
    lr: f64,
    weight_decay: f64,
    maximize: bool,
    clip: Clip,
    groups: Vec<(String, Group)>,
    /// In the order in which the model shows its parameters.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Clip {
    Off,
    Value(f64),
    Norm(f64),
}

/// What is known of one parameter.
#[derive(Debug, Clone)]
struct Slot {
    name: String,
    lr_scale: f64,
    weight_decay: f64,
    t: u64,
    /// Empty before the first update.
    states: Vec<Tensor>,
}

impl<R: Rule> Elementwise<R> {
    /// An optimizer with this rule.
    ///
    /// # Panics
    /// If `lr` is negative or not a number.
    #[must_use]
    #[track_caller]
    pub fn with_rule(rule: R, lr: f64) -> Self {
        check_lr(rule.name(), lr);
        Self {
            rule,
            lr,
            weight_decay: 0.0,
            maximize: false,
            clip: Clip::Off,
            groups: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// How strongly weights are drawn to zero: `weight_decay · w` is added to the gradient (by
    /// [`AdamW`](super::AdamW): `lr · weight_decay · w` is taken off the weight).
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self.regroup()
    }

    /// Whether to climb instead of descend.
    #[must_use]
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.maximize = maximize;
        self
    }

    /// Lets no gradient be larger than `max`, in absolute value. Replaces another clipping.
    #[must_use]
    pub fn clip_value(mut self, max: f64) -> Self {
        self.clip = Clip::Value(max);
        self
    }

    /// Shrinks the gradients of a step so that their common norm is at most `max`, as
    /// [`clip_by_global_norm`](super::clip_by_global_norm) does but without writing to memory. Replaces another
    /// clipping.
    #[must_use]
    pub fn clip_norm(mut self, max: f64) -> Self {
        self.clip = Clip::Norm(max);
        self
    }

    /// Trains the parameters whose name matches `pattern` (`*` stands for anything) differently. Where several
    /// groups match, later ones win.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let adam = AdamW::new(3e-4).group("*.bias", |g| g.weight_decay(0.0)).group("head.*", |g| g.lr_scale(10.0));
    /// ```
    ///
    /// The first step panics if no parameter matches.
    #[must_use]
    pub fn group(mut self, pattern: &str, settings: impl FnOnce(Group) -> Group) -> Self {
        self.groups
            .push((pattern.to_owned(), settings(Group::default())));
        self.regroup()
    }

    /// The state for parameter number `i`, called `name`.
    fn slot(&mut self, i: usize, name: &str) -> &mut Slot {
        if self.slots.get(i).is_none_or(|slot| slot.name != name) {
            // The first step, or the first after a resume or a change of the model.
            match self.slots[i..].iter().position(|slot| slot.name == name) {
                Some(ahead) => self.slots[i..=i + ahead].rotate_right(1),
                None => {
                    let slot = self.grouped(name);
                    self.slots.insert(i, slot);
                }
            }
        }
        &mut self.slots[i]
    }

    /// A parameter that was never updated, with the settings of its groups.
    fn grouped(&self, name: &str) -> Slot {
        let mut slot = Slot {
            name: name.to_owned(),
            lr_scale: 1.0,
            weight_decay: self.weight_decay,
            t: 0,
            states: Vec::new(),
        };
        for (pattern, group) in &self.groups {
            if matches(pattern, name) {
                slot.lr_scale = group.lr_scale.unwrap_or(slot.lr_scale);
                slot.weight_decay = group.weight_decay.unwrap_or(slot.weight_decay);
            }
        }
        slot
    }

    fn regroup(mut self) -> Self {
        for i in 0..self.slots.len() {
            let fresh = self.grouped(&self.slots[i].name);
            let slot = &mut self.slots[i];
            (slot.lr_scale, slot.weight_decay) = (fresh.lr_scale, fresh.weight_decay);
        }
        self
    }

    /// One update of parameter number `i`, if its gradient is there.
    fn update(
        &mut self,
        i: usize,
        name: &str,
        param: &mut Param,
        grads: &Gradients,
        scale: f64,
    ) -> Result<(), String> {
        let (rule_name, lr) = (self.rule.name(), self.lr);
        let clip = match self.clip {
            Clip::Value(max) => max,
            Clip::Off | Clip::Norm(_) => f64::INFINITY,
        };
        let rule = self.rule.clone();
        let slot = self.slot(i, name);
        if param.is_frozen() {
            return Ok(());
        }
        let Some(gradient) = grads.get(param) else {
            return Err(format!(
                "{rule_name}: `{name}` has no gradient: the loss does not depend on it (freeze it, or leave it out)"
            ));
        };
        if slot.states.is_empty() {
            let begin = |&(_, value)| Tensor::full(param.shape(), value, param.dtype());
            slot.states = rule.states().iter().map(begin).collect();
        }
        for (state, (state_name, _)) in slot.states.iter().zip(rule.states()) {
            if state.shape() != param.shape() || state.dtype() != param.dtype() {
                return Err(format!(
                    "{rule_name}: `{name}` is {} {:?}, but its {state_name} is {} {:?}: another model needs an optimizer of its own",
                    param.dtype(),
                    param.shape(),
                    state.dtype(),
                    state.shape()
                ));
            }
        }
        slot.t += 1;
        let at = Update {
            lr: lr * slot.lr_scale,
            weight_decay: slot.weight_decay,
            t: slot.t,
            scale,
            clip,
        };
        let gradient = gradient.contiguous();
        let states = &mut slot.states;
        match param.dtype() {
            Dtype::F32 => rule.update::<f32>(&at, slice(param), gradient.as_slice(), states),
            Dtype::F64 => rule.update::<f64>(&at, slice(param), gradient.as_slice(), states),
            half => {
                return Err(format!(
                    "{rule_name}: `{name}` is {half}; optimizers update f32 and f64 (see Module::to_dtype)"
                ));
            }
        }
        Ok(())
    }
}

fn slice<T: Number>(param: &mut Param) -> &mut [T] {
    param.tensor_mut().as_mut_slice()
}

#[track_caller]
fn check_lr(name: &str, lr: f64) {
    assert!(
        lr >= 0.0,
        "{name}: wanted a learning rate of at least 0, got {lr}"
    );
}

/// Updates parameters as the model shows them.
struct Walk<'a, R> {
    optimizer: &'a mut Elementwise<R>,
    grads: &'a Gradients,
    scale: f64,
    next: usize,
    /// Told by the caller of the step, so that the panic names their line.
    problem: Option<String>,
}

impl<R: Rule> VisitorMut for Walk<'_, R> {
    fn param(&mut self, name: &str, param: &mut Param) {
        if self.problem.is_none() {
            let update = self
                .optimizer
                .update(self.next, name, param, self.grads, self.scale);
            self.problem = update.err();
        }
        self.next += 1;
    }
}

impl<R: Rule> Optimizer for Elementwise<R> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) {
        let sign = if self.maximize { -1.0 } else { 1.0 };
        let scale = match self.clip {
            Clip::Norm(max) => sign * clip::factor(clip::model_norm(model, grads), max),
            Clip::Off | Clip::Value(_) => sign,
        };
        let known = self.slots.len();
        let mut walk = Walk {
            optimizer: self,
            grads,
            scale,
            next: 0,
            problem: None,
        };
        model.visit_mut(&mut Path::default(), &mut walk);
        if let Some(problem) = walk.problem {
            panic!("{problem}");
        }
        if self.slots.len() != known {
            for (pattern, _) in &self.groups {
                assert!(
                    self.slots.iter().any(|slot| matches(pattern, &slot.name)),
                    "{}: no parameter matches the group `{pattern}`",
                    self.rule.name()
                );
            }
        }
    }

    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    #[track_caller]
    fn set_lr(&mut self, lr: f64) {
        check_lr(self.rule.name(), lr);
        self.lr = lr;
    }

    fn settings(&self) -> Vec<(String, String)> {
        let mut all = vec![("lr".to_owned(), format!("{:?}", self.lr))];
        let rule = self.rule.settings().into_iter();
        all.extend(rule.map(|(key, value)| (key.to_owned(), value)));
        all.push((
            "weight_decay".to_owned(),
            format!("{:?}", self.weight_decay),
        ));
        if self.maximize {
            all.push(("maximize".to_owned(), "true".to_owned()));
        }
        match self.clip {
            Clip::Off => {}
            Clip::Value(max) => all.push(("clip_value".to_owned(), format!("{max:?}"))),
            Clip::Norm(max) => all.push(("clip_norm".to_owned(), format!("{max:?}"))),
        }
        for (pattern, group) in &self.groups {
            let decay = group.weight_decay.map(|x| format!("weight_decay = {x:?}"));
            let scale = group.lr_scale.map(|x| format!("lr_scale = {x:?}"));
            let both: Vec<String> = decay.into_iter().chain(scale).collect();
            all.push((
                format!("group.\"{pattern}\""),
                format!("{{ {} }}", both.join(", ")),
            ));
        }
        all
    }

    fn states_per_weight(&self) -> usize {
        self.rule.states().len()
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.t > 0) {
            for ((state, _), tensor) in self.rule.states().iter().zip(&slot.states) {
                all.push((format!("{}.{state}", slot.name), tensor.clone()));
            }
            all.push((format!("{}.step", slot.name), Tensor::from(slot.t as i64)));
        }
        all
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let (name, wanted) = (self.rule.name(), self.rule.states());
        let mut slots: Vec<Slot> = Vec::new();
        let mut filled: Vec<Vec<Option<Tensor>>> = Vec::new();
        for (key, tensor) in state {
            let (param, part) = key.rsplit_once('.').unwrap_or(("", key));
            let at = match slots.iter().rposition(|slot| slot.name == param) {
                Some(at) => at,
                None => {
                    slots.push(self.grouped(param));
                    filled.push(vec![None; wanted.len()]);
                    slots.len() - 1
                }
            };
            if part == "step" {
                if tensor.dtype() != Dtype::I64 || tensor.len() != 1 || tensor.item() < 1.0 {
                    return Err(Error::model_mismatch(format!(
                        "`{key}` is no count of steps, which is one i64 of at least 1"
                    )));
                }
                slots[at].t = tensor.item() as u64;
            } else if let Some(i) = wanted.iter().position(|(state, _)| *state == part) {
                filled[at][i] = Some(tensor.detach().contiguous());
            } else {
                let known: Vec<&str> = wanted.iter().map(|(state, _)| *state).collect();
                return Err(Error::model_mismatch(format!(
                    "`{key}` is no state of {name}, which keeps [{}] and step",
                    known.join(", ")
                )));
            }
        }
        for (slot, filled) in slots.iter_mut().zip(filled) {
            let param = &slot.name;
            if slot.t == 0 {
                return Err(Error::model_mismatch(format!("`{param}.step` is missing")));
            }
            for (tensor, (state, _)) in filled.into_iter().zip(wanted) {
                let Some(tensor) = tensor else {
                    return Err(Error::model_mismatch(format!(
                        "`{param}.{state}`, which {name} keeps, is missing"
                    )));
                };
                slot.states.push(tensor);
            }
        }
        self.slots = slots;
        Ok(())
    }

    fn box_clone(&self) -> Box<dyn Optimizer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use eras_tensor::Rng;

    type Net = Vec<(Param, Option<Param>)>;

    /// Two parameters and one, with awkward shapes.
    fn net(dtype: Dtype) -> Net {
        let mut rng = Rng::new(3);
        let mut param =
            |shape: &[usize]| Param::new(&Tensor::randn_f64(shape, &mut rng).to_dtype(dtype));
        vec![(param(&[3, 5]), Some(param(&[5]))), (param(&[1]), None)]
    }

    /// Gradients of some loss that is different at each step; they depend on the weights.
    fn grads(net: &Net, step: u64) -> Gradients {
        let mut rng = Rng::at(1, step, 0);
        let mut loss = Tensor::full([], 0.0, net[0].0.dtype());
        net.for_each_param(&mut |_, w| {
            let a = Tensor::randn_f64(w.shape(), &mut rng).to_dtype(w.dtype());
            loss = &loss + ((&**w * &a).sqr() + &**w * &a).sum(..);
        });
        loss.backward()
    }

    fn train(optimizer: &mut dyn Optimizer, net: &mut Net, step: u64) {
        let grads = grads(net, step);
        optimizer.step(net, &grads);
    }

    fn values(net: &Net) -> Vec<f64> {
        net.named_params()
            .iter()
            .flat_map(|(_, w)| w.to_dtype(Dtype::F64).to_vec::<f64>())
            .collect()
    }

    /// Every optimizer with each of its settings on.
    fn all() -> Vec<Box<dyn Optimizer>> {
        vec![
            Box::new(Sgd::new(0.1)),
            Box::new(
                Sgd::new(0.1)
                    .momentum(0.9)
                    .dampening(0.3)
                    .weight_decay(0.01),
            ),
            Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true).maximize(true)),
            Box::new(Adadelta::default()),
            Box::new(Adadelta::keras().weight_decay(0.1)),
            Box::new(Adam::new(0.01).weight_decay(0.1)),
            Box::new(Adam::new(0.01).amsgrad(true).clip_value(0.1)),
            Box::new(AdamW::new(0.01).clip_norm(0.5)),
            Box::new(
                AdamW::new(0.01)
                    .amsgrad(true)
                    .group("*.1", |g| g.weight_decay(0.0).lr_scale(3.0)),
            ),
            Box::new(RmsProp::new(0.01)),
            Box::new(RmsProp::new(0.01).centered(true)),
            Box::new(RmsProp::new(0.01).momentum(0.9)),
            Box::new(
                RmsProp::new(0.01)
                    .momentum(0.9)
                    .centered(true)
                    .weight_decay(0.01),
            ),
            Box::new(Adagrad::default()),
            Box::new(Adagrad::new(0.1).lr_decay(0.05).initial_accumulator(0.1)),
        ]
    }

    fn check_definition<R: Rule>(rule: &R) {
        let mut rng = Rng::new(5);
        let mut slow = Tensor::randn_f64([4, 3], &mut rng);
        let mut fast = slow.clone();
        let begin = || {
            rule.states()
                .iter()
                .map(|(_, x)| Tensor::full([4, 3], *x, Dtype::F64))
        };
        let (mut slow_states, mut fast_states): (Vec<_>, Vec<_>) =
            (begin().collect(), begin().collect());
        for t in 1..=20 {
            let at = Update {
                lr: 0.03,
                weight_decay: 0.1,
                t,
                scale: -0.7,
                clip: f64::INFINITY,
            };
            let g = Tensor::randn_f64([4, 3], &mut rng);
            rule.update::<f64>(&at, fast.as_mut_slice(), g.as_slice(), &mut fast_states);
            // The reading of gradients, but for decoupled decay, which the rule does itself.
            let decay = if rule.name() == "adamw" {
                0.0
            } else {
                at.weight_decay
            };
            let read = &g * at.scale + &slow * decay;
            slow = rule.definition(&at, &slow, &read, &mut slow_states);
            let close = |a: &Tensor, b: &Tensor| {
                a.to_vec::<f64>()
                    .iter()
                    .zip(b.to_vec::<f64>())
                    .all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + b.abs()))
            };
            assert!(
                close(&fast, &slow),
                "{}, step {t}: {fast} but by definition {slow}",
                rule.name()
            );
            assert!(
                fast_states
                    .iter()
                    .zip(&slow_states)
                    .all(|(a, b)| close(a, b)),
                "{}",
                rule.name()
            );
        }
    }

    #[test]
    fn rules_equal_their_definitions() {
        check_definition(&Sgd::new(0.1).rule);
        check_definition(&Sgd::new(0.1).momentum(0.9).dampening(0.3).rule);
        check_definition(&Sgd::new(0.1).momentum(0.9).nesterov(true).rule);
        check_definition(&Adadelta::default().rule);
        check_definition(&Adam::default().rule);
        check_definition(&Adam::default().amsgrad(true).rule);
        check_definition(&AdamW::default().rule);
        check_definition(&AdamW::default().amsgrad(true).rule);
        check_definition(&RmsProp::default().rule);
        check_definition(&RmsProp::default().momentum(0.5).rule);
        check_definition(&RmsProp::default().centered(true).rule);
        check_definition(&RmsProp::default().centered(true).momentum(0.5).rule);
        check_definition(&Adagrad::default().lr_decay(0.1).rule);
    }

    #[test]
    fn a_saved_state_goes_on_to_the_bit() {
        for fresh in all() {
            for dtype in [Dtype::F32, Dtype::F64] {
                let (mut straight, mut whole) = (fresh.clone(), net(dtype));
                let (mut saved, mut weights) = (Vec::new(), Vec::new());
                for step in 0..10 {
                    if step == 4 {
                        (saved, weights) = (straight.state(), whole.state());
                    }
                    train(&mut *straight, &mut whole, step);
                }
                let (mut resumed, mut part) = (fresh.clone(), net(dtype));
                part.for_each_param_mut(&mut |name, w| {
                    let (_, value) = weights.iter().find(|(n, _)| n == name).expect("saved");
                    w.set(value);
                });
                // The order in a file is not the model's.
                saved.reverse();
                resumed.load_state(&saved).expect("its own state");
                for step in 4..10 {
                    train(&mut *resumed, &mut part, step);
                }
                assert_eq!(values(&part), values(&whole), "{}", fresh.name());
                assert!(values(&part).iter().all(|x| x.is_finite()));
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_weights() {
        let run = |threads, mut optimizer: Box<dyn Optimizer>| {
            eras_kernels::team::set_threads(threads);
            let mut w = Param::new(&Tensor::randn([40_000], &mut Rng::new(0)));
            for step in 0..3 {
                let a = Tensor::randn([40_000], &mut Rng::new(step));
                let loss = (&*w * &a).sqr().sum(..);
                optimizer.step(&mut w, &loss.backward());
            }
            w.to_vec::<f32>()
        };
        // This process' other tests do not mind how many threads there are.
        let before = eras_kernels::team::threads();
        for optimizer in [
            Box::new(Adam::new(0.1).clip_norm(1.0)) as Box<dyn Optimizer>,
            Box::new(Adadelta::default()),
        ] {
            let one = run(1, optimizer.clone());
            assert!(run(2, optimizer.clone()) == one && run(7, optimizer) == one);
        }
        eras_kernels::team::set_threads(before);
    }

    #[test]
    #[should_panic(expected = "adam: `1.0` has no gradient: the loss does not depend on it")]
    fn a_parameter_without_gradient_is_named() {
        let mut net = net(Dtype::F32);
        let grads = (net[0].0.sum(..) + net[0].1.as_ref().expect("a bias").sum(..)).backward();
        Adam::default().step(&mut net, &grads);
    }

    #[test]
    fn the_frozen_stay_as_they_are_and_may_thaw() {
        let mut net = net(Dtype::F32);
        let mut adam = Adam::new(0.1);
        net.freeze("0.*");
        let before = values(&net);
        train(&mut adam, &mut net, 0);
        assert_eq!(values(&net)[..20], before[..20]);
        assert_ne!(values(&net)[20], before[20]);
        net.unfreeze("*");
        train(&mut adam, &mut net, 1);
        assert!(values(&net).iter().zip(&before).all(|(a, b)| a != b));
        let steps = adam
            .state()
            .into_iter()
            .filter(|(name, _)| name.ends_with("step"));
        assert_eq!(
            steps.map(|(_, t)| t.item()).collect::<Vec<_>>(),
            [1.0, 1.0, 2.0]
        );
    }

    #[test]
    fn groups_have_their_own_rate_and_decay() {
        let mut net = net(Dtype::F64);
        let before = values(&net);
        let mut sgd = Sgd::new(0.5)
            .weight_decay(0.1)
            .group("0.*", |g| g.lr_scale(0.0))
            .group("0.1", |g| g.lr_scale(2.0).weight_decay(0.0));
        let mut loss = Tensor::from(0.0f64);
        net.for_each_param(&mut |_, w| loss = &loss + w.sum(..));
        sgd.step(&mut net, &loss.backward());
        let after = values(&net);
        assert_eq!(after[..15], before[..15]);
        assert!((15..20).all(|i| (after[i] - (before[i] - 1.0)).abs() < 1e-12));
        assert!((after[20] - (before[20] - 0.5 * (1.0 + 0.1 * before[20]))).abs() < 1e-12);
    }

    #[test]
    #[should_panic(expected = "sgd: no parameter matches the group `*.bais`")]
    fn a_group_of_nobody_is_a_mistake() {
        let mut net = net(Dtype::F32);
        let mut sgd = Sgd::new(0.1).group("*.bais", |g| g.lr_scale(2.0));
        train(&mut sgd, &mut net, 0);
    }

    #[test]
    fn a_norm_clipped_on_the_way_equals_one_clipped_before() {
        let (mut a, mut b) = (net(Dtype::F64), net(Dtype::F64));
        let raw = grads(&a, 0);
        let mut clipped = grads(&b, 0);
        let norm = clip_by_global_norm(&mut clipped, 0.5);
        assert!(norm > 0.5 && (global_norm(&clipped) - 0.5).abs() < 1e-5);
        Sgd::new(1.0).clip_norm(0.5).step(&mut a, &raw);
        Sgd::new(1.0).step(&mut b, &clipped);
        assert!(
            values(&a)
                .iter()
                .zip(values(&b))
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
    }

    #[test]
    fn states_of_others_are_refused_and_nothing_changes() {
        let mut net = net(Dtype::F32);
        let mut adam = Adam::default();
        train(&mut adam, &mut net, 0);
        let good = adam.state();
        let refused = |adam: &mut Adam, state: &[(String, Tensor)], message: &str| {
            let error = adam.load_state(state).expect_err("a bad state");
            assert!(
                error.is_model_mismatch() && error.to_string().contains(message),
                "{error}"
            );
            assert_eq!(adam.state().len(), 9);
        };
        let mut sgd = Sgd::new(0.1).momentum(0.9);
        train(&mut sgd, &mut net, 0);
        refused(
            &mut adam,
            &sgd.state(),
            "`0.0.momentum_buffer` is no state of adam, which keeps [exp_avg, exp_avg_sq] and step",
        );
        refused(
            &mut adam,
            &good[1..],
            "`0.0.exp_avg`, which adam keeps, is missing",
        );
        refused(&mut adam, &good[..2], "`0.0.step` is missing");
        refused(
            &mut adam,
            &[("0.0.step".to_owned(), Tensor::from(1.0))],
            "no count of steps",
        );
        adam.load_state(&good).expect("its own state");
    }

    #[test]
    #[should_panic(
        expected = "adam: `` is f32 [3], but its exp_avg is f32 [2]: another model needs an optimizer of its own"
    )]
    fn a_state_of_another_shape_is_refused() {
        let mut adam = Adam::default();
        for n in [2, 3] {
            let mut w = Param::new(&Tensor::ones([n]));
            let loss = w.sum(..);
            adam.step(&mut w, &loss.backward());
        }
    }

    #[test]
    #[should_panic(expected = "`` is bf16; optimizers update f32 and f64")]
    fn halves_are_refused() {
        let mut w = Param::new(&Tensor::ones([2]).to_dtype(Dtype::BF16));
        let loss = w.sum(..);
        Sgd::new(0.1).step(&mut w, &loss.backward());
    }

    #[test]
    fn settings_are_written_as_toml_reads_them() {
        let adam = AdamW::new(1e-3)
            .clip_norm(1.0)
            .group("*.bias", |g| g.weight_decay(0.0));
        let text: Vec<String> = adam
            .settings()
            .iter()
            .map(|(k, v)| format!("{k} = {v}"))
            .collect();
        assert_eq!(
            text,
            [
                "lr = 0.001",
                "betas = [0.9, 0.999]",
                "eps = 1e-8",
                "amsgrad = false",
                "weight_decay = 0.01",
                "clip_norm = 1.0",
                "group.\"*.bias\" = { weight_decay = 0.0 }"
            ]
        );
    }

    #[test]
    #[should_panic(expected = "adam: wanted a learning rate of at least 0, got NaN")]
    fn a_rate_that_is_no_number_is_refused() {
        Adam::default().set_lr(f64::NAN);
    }
}
