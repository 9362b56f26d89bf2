//! What all models have in common: named parameters and buffers.

use crate::{Buffer, Fitted, Param};
use eras_tensor::{Dtype, Result, Tensor};

/// The name of what is being visited, as `blocks.0.attn.weight`, kept in one string.
#[derive(Debug, Default)]
pub struct Path(String);

impl Path {
    /// The name so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Runs `f` with `name` added.
    pub fn within<R>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> R) -> R {
        let len = self.0.len();
        if len > 0 && !name.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(name);
        let result = f(self);
        self.0.truncate(len);
        result
    }

    /// Runs `f` with a number added.
    pub fn within_index<R>(&mut self, index: usize, f: impl FnOnce(&mut Self) -> R) -> R {
        // Most lists are short; a number is written without another string.
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = index;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.within(std::str::from_utf8(&digits[at..]).unwrap_or_default(), f)
    }
}

/// Sees the tensors of a model.
pub trait Visitor {
    /// A parameter.
    fn param(&mut self, path: &str, param: &Param);
    /// A buffer.
    fn buffer(&mut self, path: &str, buffer: &Buffer) {
        let _ = (path, buffer);
    }
}

/// Sees the tensors of a model, and may change them.
pub trait VisitorMut {
    /// A parameter.
    fn param(&mut self, path: &str, param: &mut Param);
    /// A buffer.
    fn buffer(&mut self, path: &str, buffer: &mut Buffer) {
        let _ = (path, buffer);
    }
}

/// A model or a part of one. Derive it: `#[derive(Module)]`.
///
/// The derived implementation visits all fields in order, under their names. Plain settings (numbers, truth
/// values, strings) are passed over; a field of another type that holds no parameters is marked
/// `#[module(skip)]`.
///
/// ```
/// use eras::prelude::*;
///
/// #[derive(Debug, Module)]
/// struct Net {
///     fc1: Linear,
///     fc2: Linear,
/// }
///
/// let rng = &mut Rng::new(0);
/// let net = Net { fc1: Linear::new(2, 3, rng), fc2: Linear::new(3, 1, rng) };
/// let names: Vec<String> = net.named_params().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]);
/// assert_eq!(net.count_params(), 2 * 3 + 3 + 3 * 1 + 1);
/// ```
pub trait Module {
    /// Shows all parameters and buffers to `visitor`, in a fixed order.
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor);

    /// Shows all parameters and buffers to `visitor`, in the same order, to change them.
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut);

    /// As [`visit`](Self::visit), but also what is held and neither trained nor saved with it, as the model that adapters are
    /// beside ([`Lora`](crate::Lora)): what a [`Summary`](crate::Summary) counts.
    fn visit_held(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        self.visit(path, visitor);
    }

    /// Calls `f` for each parameter with its name.
    fn for_each_param(&self, f: &mut dyn FnMut(&str, &Param)) {
        self.visit(&mut Path::default(), &mut OnParams(f));
    }

    /// Calls `f` for each parameter with its name, to change it.
    fn for_each_param_mut(&mut self, f: &mut dyn FnMut(&str, &mut Param)) {
        self.visit_mut(&mut Path::default(), &mut OnParamsMut(f));
    }

    /// All parameters with their names (handles: no numbers are copied).
    fn named_params(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        self.for_each_param(&mut |name, param| all.push((name.to_owned(), (**param).clone())));
        all
    }

    /// How many numbers are trained (frozen ones counted too).
    fn count_params(&self) -> usize {
        let mut count = 0;
        self.for_each_param(&mut |_, param| count += param.len());
        count
    }

    /// All parameters and buffers with their names, as they are saved (handles, without history).
    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = State::default();
        self.visit(&mut Path::default(), &mut state);
        state.0
    }

    /// Puts saved parameters and buffers in the place of its own: all of them, in any order, as
    /// [`state`](Self::state) gives them.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let (a, mut b) = (Linear::new(2, 2, &mut Rng::new(0)), Linear::new(2, 2, &mut Rng::new(1)));
    /// b.load_state(&a.state())?;
    /// assert_eq!(a.weight.to_vec::<f32>(), b.weight.to_vec::<f32>());
    ///
    /// let other = Linear::new(2, 3, &mut Rng::new(0));
    /// let error = b.load_state(&other.state()).unwrap_err();
    /// assert!(error.to_string().starts_with("`weight` is [3, 2], but the model wants [2, 2]"));
    /// # Ok::<(), eras::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a name is missing, unexpected or there twice, or a shape or dtype differs: one error
    /// ([`is_model_mismatch`](eras_tensor::Error::is_model_mismatch)) that lists what is wrong. The model stays as it
    /// was then.
    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        crate::state::load(self, state)
    }

    /// Puts those saved parameters and buffers in the place of its own that have their names, types and shapes, and tells
    /// what it took and what not: how a model begins with the weights of one that has another head.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let net = |out| {
    ///     let rng = &mut Rng::new(0);
    ///     Sequential::new().add(Dense::new(4, 8, rng).relu()).add(Dense::new(8, out, rng))
    /// };
    /// let (ten, mut three) = (net(10), net(3));
    /// let fitted = three.load_fitting(&ten.state())?;
    /// assert_eq!(fitted.taken, ["0.weight", "0.bias"]);
    /// assert_eq!(fitted.kept[1], "`1.bias` is [10] there, but the model wants [3]");
    /// # Ok::<(), eras::Error>(())
    /// ```
    ///
    /// # Errors
    /// If nothing fits but vectors, which may by accident ([`is_model_mismatch`](eras_tensor::Error::is_model_mismatch)).
    fn load_fitting(&mut self, state: &[(String, Tensor)]) -> Result<Fitted> {
        crate::state::load_fitting(self, state)
    }

    /// Freezes the parameters whose name matches `pattern`, where `*` stands for anything; returns how many.
    fn freeze(&mut self, pattern: &str) -> usize {
        let mut count = 0;
        self.for_each_param_mut(&mut |name, param| count += set_frozen(name, param, pattern, true));
        count
    }

    /// Thaws the parameters whose name matches `pattern`, where `*` stands for anything; returns how many.
    fn unfreeze(&mut self, pattern: &str) -> usize {
        let mut count = 0;
        self.for_each_param_mut(&mut |name, param| {
            count += set_frozen(name, param, pattern, false)
        });
        count
    }

    /// What `f` makes of the model with all its parameters frozen; those that were not are thawed again. Gradients pass
    /// through to what the model was given, and none are computed for its own weights.
    ///
    /// ```
    /// use eras::prelude::*;
    ///
    /// let mut judge = Linear::new(2, 1, &mut Rng::new(0));
    /// let x = Tensor::ones([4, 2]).requires_grad();
    /// let grads = judge.frozen(|judge| judge.forward(&x).sum(..)).backward();
    /// assert!(grads.get(&x).is_some() && grads.len() == 1);
    /// assert!(!judge.weight.is_frozen());
    /// ```
    fn frozen<R>(&mut self, f: impl FnOnce(&Self) -> R) -> R
    where
        Self: Sized,
    {
        let mut thawed = Vec::new();
        self.for_each_param_mut(&mut |_, param| {
            thawed.push(!param.is_frozen());
            param.freeze(true);
        });
        let held = Held {
            model: self,
            thawed,
        };
        f(held.model)
    }

    /// Converts all float parameters and buffers to `dtype`.
    ///
    /// # Panics
    /// If `dtype` is none of the float types.
    #[track_caller]
    fn to_dtype(&mut self, dtype: Dtype) {
        assert!(
            dtype.is_float(),
            "to_dtype: parameters are floats, not {dtype}"
        );
        self.visit_mut(&mut Path::default(), &mut Convert(dtype));
    }
}

/// A model that is frozen until this is dropped.
struct Held<'a, M: Module> {
    model: &'a mut M,
    /// Which parameters were not frozen before, in their order.
    thawed: Vec<bool>,
}

impl<M: Module> Drop for Held<'_, M> {
    fn drop(&mut self) {
        let mut thawed = self.thawed.iter();
        self.model.for_each_param_mut(&mut |_, param| {
            param.freeze(thawed.next() != Some(&true));
        });
    }
}

#[derive(Default)]
struct State(Vec<(String, Tensor)>);

impl Visitor for State {
    fn param(&mut self, path: &str, param: &Param) {
        self.0.push((path.to_owned(), param.detach()));
    }
    fn buffer(&mut self, path: &str, buffer: &Buffer) {
        self.0.push((path.to_owned(), buffer.get()));
    }
}

struct OnParams<'a>(&'a mut dyn FnMut(&str, &Param));
impl Visitor for OnParams<'_> {
    fn param(&mut self, path: &str, param: &Param) {
        (self.0)(path, param);
    }
}

struct OnParamsMut<'a>(&'a mut dyn FnMut(&str, &mut Param));
impl VisitorMut for OnParamsMut<'_> {
    fn param(&mut self, path: &str, param: &mut Param) {
        (self.0)(path, param);
    }
}

struct Convert(Dtype);
impl VisitorMut for Convert {
    fn param(&mut self, _path: &str, param: &mut Param) {
        let frozen = param.is_frozen();
        *param = Param::new(&param.detach().to_dtype(self.0));
        param.freeze(frozen);
    }
    fn buffer(&mut self, _path: &str, buffer: &mut Buffer) {
        let value = buffer.get();
        if value.dtype().is_float() {
            *buffer = Buffer::new(&value.to_dtype(self.0));
        }
    }
}

fn set_frozen(name: &str, param: &mut Param, pattern: &str, frozen: bool) -> usize {
    let matches = matches(pattern, name);
    if matches {
        param.freeze(frozen);
    }
    usize::from(matches)
}

/// Whether `name` matches `pattern`, in which each `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    name.strip_prefix(head).is_some_and(|tail| {
        (0..=tail.len()).any(|i| tail.is_char_boundary(i) && matches(rest, &tail[i..]))
    })
}

impl Module for Param {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.param(path.as_str(), self);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        visitor.param(path.as_str(), self);
    }
}

impl Module for Buffer {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        visitor.buffer(path.as_str(), self);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        visitor.buffer(path.as_str(), self);
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        (**self).visit(path, visitor);
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        (**self).visit_mut(path, visitor);
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
        if let Some(module) = self {
            module.visit(path, visitor);
        }
    }
    fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
        if let Some(module) = self {
            module.visit_mut(path, visitor);
        }
    }
}

macro_rules! lists {
    ($([$($n:tt)*] $t:ty),*) => { $(
        impl<M: Module, $($n)*> Module for $t {
            fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
                for (i, module) in self.iter().enumerate() {
                    path.within_index(i, |path| module.visit(path, visitor));
                }
            }
            fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
                for (i, module) in self.iter_mut().enumerate() {
                    path.within_index(i, |path| module.visit_mut(path, visitor));
                }
            }
        }
    )* };
}
lists!([] Vec<M>, [const N: usize] [M; N]);

macro_rules! settings {
    ($($t:ty),*) => { $(
        /// A plain setting: nothing to visit.
        impl Module for $t {
            fn visit(&self, _path: &mut Path, _visitor: &mut dyn Visitor) {}
            fn visit_mut(&mut self, _path: &mut Path, _visitor: &mut dyn VisitorMut) {}
        }
    )* };
}
settings!(
    (),
    bool,
    u8,
    u32,
    u64,
    usize,
    i32,
    i64,
    isize,
    f32,
    f64,
    String,
    &'static str,
    Dtype
);

macro_rules! tuples {
    ($($name:ident . $i:tt),*) => {
        impl<$($name: Module),*> Module for ($($name,)*) {
            fn visit(&self, path: &mut Path, visitor: &mut dyn Visitor) {
                $( path.within_index($i, |path| self.$i.visit(path, visitor)); )*
            }
            fn visit_mut(&mut self, path: &mut Path, visitor: &mut dyn VisitorMut) {
                $( path.within_index($i, |path| self.$i.visit_mut(path, visitor)); )*
            }
        }
    };
}
tuples!(A.0, B.1);
tuples!(A.0, B.1, C.2);
tuples!(A.0, B.1, C.2, D.3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(
            matches("*", "fc1.weight")
                && matches("fc1.*", "fc1.weight")
                && matches("*.bias", "a.0.bias")
        );
        assert!(matches("h.*.attn.*", "h.11.attn.qkv.weight"));
        assert!(
            !matches("fc1", "fc1.weight") && !matches("*.bias", "a.weight") && !matches("", "a")
        );
    }

    #[test]
    fn paths_are_joined_by_points() {
        let model = vec![
            (Param::new(&Tensor::zeros([2])), None::<Param>),
            (
                Param::new(&Tensor::zeros([3])),
                Some(Param::new(&Tensor::zeros([1]))),
            ),
        ];
        let names: Vec<String> = model
            .named_params()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["0.0", "1.0", "1.1"]);
        let mut path = Path::default();
        path.within_index(120, |path| assert_eq!(path.as_str(), "120"));
    }

    #[test]
    fn a_clone_is_trained_on_its_own() {
        let a = Param::new(&Tensor::from([1.0f32]));
        let b = a.clone();
        let grads = (&*a * 2.0 + &*b * 3.0).sum(..).backward();
        assert_eq!((grads[&a].item(), grads[&b].item()), (2.0, 3.0));
    }

    #[test]
    fn the_frozen_get_no_gradient() {
        let mut model = (
            Param::new(&Tensor::from([1.0f32])),
            Param::new(&Tensor::from([1.0f32])),
        );
        assert_eq!(model.freeze("1"), 1);
        let grads = (&*model.0 * &*model.1).sum(..).backward();
        assert!(grads.get(&model.1).is_none());
        assert_eq!((model.unfreeze("*"), model.1.is_frozen()), (2, false));
    }

    #[test]
    fn a_model_held_still_is_thawed_again_but_for_what_was_frozen_before() {
        let param = || Param::new(&Tensor::from([2.0f32]));
        let mut model = (param(), param());
        model.freeze("1");
        let x = Tensor::from([3.0f32]).requires_grad();
        let product = |model: &(Param, Param)| (&x * &*model.0 * &*model.1).sum(..);
        let grads = model.frozen(product).backward();
        assert_eq!((grads.len(), grads[&x].item()), (1, 4.0));
        assert!(!model.0.is_frozen() && model.1.is_frozen());
        assert_eq!(product(&model).backward().len(), 2);
        // Also where the model refuses its input.
        let refused = std::panic::AssertUnwindSafe(|| model.frozen(|_| panic!("no")));
        assert!(std::panic::catch_unwind(refused).is_err());
        assert!(!model.0.is_frozen() && model.1.is_frozen());
    }
}
