//! Schedules of the learning rate: a factor as a function of the step.

mod check;
mod factor;
#[cfg(test)]
mod tests;
mod text;

/// What the learning rate is multiplied by at each step.
///
/// A plain value. It is written as `warm_up(10, cosine(90, 0.1))` and read back from that. Steps count from 0; each
/// schedule stays at its last value once it is over.
///
/// ```
/// use eras::prelude::*;
///
/// let schedule = Schedule::cosine(90, 0.1).warm_up(10);
/// assert_eq!(schedule.factor(0), 0.1); // a tenth of the way up
/// assert_eq!(schedule.factor(10), 1.0);
/// assert_eq!(schedule.factor(1000), 0.1);
/// assert_eq!(schedule.to_string(), "warm_up(10, cosine(90, 0.1))");
/// assert_eq!("warm_up(10, cosine(90, 0.1))".parse::<Schedule>()?, schedule);
/// # Ok::<(), eras::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// Always this factor.
    Constant(f64),
    /// Multiplied by `gamma` after every `every` steps.
    Step {
        /// How many steps a stair is long.
        every: u64,
        /// From stair to stair.
        gamma: f64,
    },
    /// Multiplied by `gamma` after every step.
    Exponential {
        /// From step to step.
        gamma: f64,
    },
    /// From 1 to `end` in `steps` steps along half a cosine (Loshchilov & Hutter 2016, arXiv:1608.03983).
    Cosine {
        /// How long.
        steps: u64,
        /// The last factor.
        end: f64,
    },
    /// From `start` to `end` in `steps` steps along a line.
    Linear {
        /// How long.
        steps: u64,
        /// The first factor.
        start: f64,
        /// The last factor.
        end: f64,
    },
    /// Up along a line in `steps` steps, the first of which takes one part in `steps`; then `then` from its
    /// beginning.
    WarmUp {
        /// How long.
        steps: u64,
        /// What follows.
        then: Box<Self>,
    },
    /// Up and far down again (Smith & Topin 2017, arXiv:1708.07120), as PyTorch's `OneCycleLR`: the optimizer's rate
    /// is the highest.
    OneCycle {
        /// How long.
        steps: u64,
        /// The part of them that goes up.
        rise: f64,
        /// The highest rate over the first.
        div: f64,
        /// The first rate over the last.
        final_div: f64,
        /// Along half cosines or lines.
        shape: Anneal,
        /// Whether it goes down to the first rate in as many steps as it went up, and then to the last.
        three_phase: bool,
    },
    /// From 1 to `end` in `steps` steps as a power of what is left: `end + (1 − end)(1 − t/steps)^power`.
    Polynomial {
        /// How long.
        steps: u64,
        /// 1 for a line; larger falls faster at first.
        power: f64,
        /// The last factor.
        end: f64,
    },
    /// `1 / (1 + rate · t / every)` (Robbins & Monro 1951), as Keras' `InverseTimeDecay`.
    InverseTime {
        /// How many steps `rate` is for.
        every: u64,
        /// How much the divisor grows in that time.
        rate: f64,
    },
    /// Up along a line in `warm_up` steps, and then down as 1 over the root of the step, both at once: `min(s/w, √(w/s))` at step
    /// `s`, counted from 1 (Vaswani et al. 2017, arXiv:1706.03762). The optimizer's rate is the highest, which is there
    /// `1/√(d_model w)`.
    InverseSqrt {
        /// How long it goes up, `w`.
        warm_up: u64,
    },
    /// Half a cosine from 1 to `end` again and again, each `growth` times as long as the one before: SGDR (Loshchilov &
    /// Hutter 2016, arXiv:1608.03983). It is never over.
    CosineRestarts {
        /// How long the first is.
        steps: u64,
        /// How many times longer each next is; 1 for all of one length.
        growth: u64,
        /// The factor that each falls to.
        end: f64,
    },
    /// Up from `low` along a line and down again, over and over (Smith 2015, arXiv:1506.01186), as PyTorch's `CyclicLR`:
    /// the optimizer's rate is the highest.
    Cyclic {
        /// How long it goes up.
        up: u64,
        /// How long it goes down.
        down: u64,
        /// The lowest factor.
        low: f64,
        /// What becomes of the height.
        fading: Fading,
    },
    /// All at once: the product of their factors, which is what PyTorch's `ChainedScheduler` makes of schedules that
    /// multiply.
    Product(Vec<Self>),
    /// Each schedule from its first step on, counted from there; the first begins at 0.
    Piecewise(Vec<(u64, Self)>),
}

/// What becomes of the height of the cycles of [`Schedule::Cyclic`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Fading {
    /// It stays: the paper's `triangular`.
    #[default]
    Never,
    /// Half after each cycle: `triangular2`.
    Halving,
    /// Multiplied by this after each step: `exp_range`.
    Exponential(f64),
}

/// The way from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anneal {
    /// Half a cosine: slow, fast, slow.
    #[default]
    Cosine,
    /// A line.
    Linear,
}

impl Schedule {
    /// Always the optimizer's rate.
    #[must_use]
    pub fn constant() -> Self {
        Self::Constant(1.0)
    }

    /// Multiplied by `gamma` after every `every` steps.
    ///
    /// # Panics
    /// If `every` is 0, or `gamma` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn step(every: u64, gamma: f64) -> Self {
        Self::Step { every, gamma }.made()
    }

    /// Multiplied by `gamma` after every step.
    ///
    /// # Panics
    /// If `gamma` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn exponential(gamma: f64) -> Self {
        Self::Exponential { gamma }.made()
    }

    /// From 1 to `end` in `steps` steps along half a cosine.
    ///
    /// # Panics
    /// If `end` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn cosine(steps: u64, end: f64) -> Self {
        Self::Cosine { steps, end }.made()
    }

    /// From `start` to `end` in `steps` steps along a line.
    ///
    /// # Panics
    /// If `start` or `end` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn linear(steps: u64, start: f64, end: f64) -> Self {
        Self::Linear { steps, start, end }.made()
    }

    /// From 1 to 0 in `steps` steps, as a power of what is left.
    ///
    /// # Panics
    /// If `power` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn polynomial(steps: u64, power: f64) -> Self {
        let end = 0.0;
        Self::Polynomial { steps, power, end }.made()
    }

    /// `1 / (1 + rate · t / every)`.
    ///
    /// # Panics
    /// If `every` is 0, or `rate` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn inverse_time(every: u64, rate: f64) -> Self {
        Self::InverseTime { every, rate }.made()
    }

    /// Up along a line in `warm_up` steps, and then down as 1 over the root of the step: the Transformer's.
    ///
    /// # Panics
    /// If `warm_up` is 0.
    #[must_use]
    #[track_caller]
    pub fn inverse_sqrt(warm_up: u64) -> Self {
        Self::InverseSqrt { warm_up }.made()
    }

    /// Half a cosine from 1 to 0 again and again, the first in `steps` steps and each `growth` times as long as the one
    /// before.
    ///
    /// # Panics
    /// If `steps` or `growth` is 0.
    #[must_use]
    #[track_caller]
    pub fn cosine_restarts(steps: u64, growth: u64) -> Self {
        let end = 0.0;
        Self::CosineRestarts { steps, growth, end }.made()
    }

    /// Up in `up` steps from `low` and down again in as many, over and over.
    ///
    /// # Panics
    /// If `up` is 0, or `low` is negative, infinite or not a number.
    #[must_use]
    #[track_caller]
    pub fn cyclic(up: u64, low: f64) -> Self {
        let one = Self::Cyclic {
            up,
            down: up,
            low,
            fading: Fading::Never,
        };
        one.made()
    }

    /// The product of the factors of all these.
    #[must_use]
    pub fn product(all: impl Into<Vec<Self>>) -> Self {
        Self::Product(all.into())
    }

    /// Up for 30% of `steps` from a 25th, then down to a ten-thousandth of that, along half cosines.
    #[must_use]
    pub fn one_cycle(steps: u64) -> Self {
        Self::OneCycle {
            steps,
            rise: 0.3,
            div: 25.0,
            final_div: 1e4,
            shape: Anneal::Cosine,
            three_phase: false,
        }
    }

    /// Each schedule from its first step on, counted from there.
    ///
    /// # Panics
    /// If the first does not begin at 0, or they are not in order.
    #[must_use]
    #[track_caller]
    pub fn piecewise(pieces: impl Into<Vec<(u64, Self)>>) -> Self {
        Self::Piecewise(pieces.into()).made()
    }

    /// This, after going up along a line in `steps` steps.
    #[must_use]
    pub fn warm_up(self, steps: u64) -> Self {
        let then = Box::new(self);
        Self::WarmUp { steps, then }
    }

    #[track_caller]
    fn made(self) -> Self {
        self.want_numbers();
        self
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::constant()
    }
}
