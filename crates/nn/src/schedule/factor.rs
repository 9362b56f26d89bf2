//! What a schedule is at each step.

use super::{Anneal, Fading, Schedule};

impl Schedule {
    /// What the learning rate is multiplied by at `step`.
    ///
    /// # Panics
    /// If one of its numbers, written down without its function, is out of range.
    #[must_use]
    #[track_caller]
    pub fn factor(&self, step: u64) -> f64 {
        self.want_numbers();
        self.at(step)
    }

    /// [`factor`](Self::factor), of numbers that are in range.
    fn at(&self, step: u64) -> f64 {
        let t = step as f64;
        match self {
            Self::Constant(factor) => *factor,
            Self::Step { every, gamma } => gamma.powf((step / every) as f64),
            Self::Exponential { gamma } => gamma.powf(t),
            Self::Cosine { steps, end } => Anneal::Cosine.between(1.0, *end, part(step, *steps)),
            Self::Linear { steps, start, end } => {
                Anneal::Linear.between(*start, *end, part(step, *steps))
            }
            Self::WarmUp { steps, then } if step < *steps => (t + 1.0) / *steps as f64 * then.at(0),
            Self::WarmUp { steps, then } => then.at(step - steps),
            Self::OneCycle {
                steps,
                rise,
                div,
                final_div,
                shape,
                three_phase,
            } => {
                let (low, last) = (1.0 / div, 1.0 / div / final_div);
                let (up, end) = (rise * *steps as f64 - 1.0, *steps as f64 - 1.0);
                let ends = if *three_phase {
                    vec![(up, low, 1.0), (2.0 * up, 1.0, low), (end, low, last)]
                } else {
                    vec![(up, low, 1.0), (end, 1.0, last)]
                };
                let mut begin = 0.0;
                for (end, from, to) in ends {
                    if t <= end {
                        let at = if end > begin {
                            (t - begin) / (end - begin)
                        } else {
                            1.0
                        };
                        return shape.between(from, to, at);
                    }
                    begin = end;
                }
                last
            }
            Self::Polynomial { steps, power, end } => {
                end + (1.0 - end) * (1.0 - part(step, *steps)).powf(*power)
            }
            Self::InverseTime { every, rate } => 1.0 / (1.0 + rate * t / *every as f64),
            Self::InverseSqrt { warm_up } => {
                let (s, w) = (t + 1.0, *warm_up as f64);
                (s / w).min((w / s).sqrt())
            }
            Self::CosineRestarts { steps, growth, end } => {
                let (at, long) = since_restart(step, *steps, *growth);
                Anneal::Cosine.between(1.0, *end, part(at, long))
            }
            Self::Cyclic {
                up,
                down,
                low,
                fading,
            } => {
                let long = up.saturating_add(*down);
                let (cycle, at) = (step / long, step % long);
                let height = if at <= *up {
                    at as f64 / *up as f64
                } else {
                    (long - at) as f64 / *down as f64
                };
                low + (1.0 - low) * height * fading.left(cycle, step)
            }
            Self::Product(all) => all.iter().map(|one| one.at(step)).product(),
            Self::Piecewise(pieces) => {
                let piece = pieces.iter().rev().find(|(first, _)| *first <= step);
                piece.map_or(1.0, |(first, schedule)| schedule.at(step - first))
            }
        }
    }
}

impl Fading {
    /// What is left of the height in this cycle, at this step.
    fn left(self, cycle: u64, step: u64) -> f64 {
        match self {
            Self::Never => 1.0,
            Self::Halving => 0.5f64.powf(cycle as f64),
            Self::Exponential(gamma) => gamma.powf(step as f64),
        }
    }
}

impl Anneal {
    /// The value at the part `at` of the way.
    fn between(self, from: f64, to: f64, at: f64) -> f64 {
        match self {
            Self::Cosine => to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * at).cos()),
            Self::Linear => from + (to - from) * at,
        }
    }
}

/// How much of the way is done; all of it when it is over.
fn part(step: u64, steps: u64) -> f64 {
    if step < steps {
        step as f64 / steps as f64
    } else {
        1.0
    }
}

/// How far into a period that began anew, and how long it is, if the first is `long` and each is `growth` times as
/// long as the one before.
fn since_restart(step: u64, long: u64, growth: u64) -> (u64, u64) {
    if growth == 1 {
        return (step % long, long);
    }
    let (mut at, mut long) = (step, long);
    while at >= long {
        at -= long;
        long = long.saturating_mul(growth);
    }
    (at, long)
}
