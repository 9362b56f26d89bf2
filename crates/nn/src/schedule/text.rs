//! Schedules written, and read back.

use super::{Anneal, Fading, Schedule};
use eras_tensor::Error;
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(factor) => write!(f, "constant({factor:?})"),
            Self::Step { every, gamma } => write!(f, "step({every}, {gamma:?})"),
            Self::Exponential { gamma } => write!(f, "exponential({gamma:?})"),
            Self::Cosine { steps, end } => write!(f, "cosine({steps}, {end:?})"),
            Self::Linear { steps, start, end } => write!(f, "linear({steps}, {start:?}, {end:?})"),
            Self::WarmUp { steps, then } => write!(f, "warm_up({steps}, {then})"),
            Self::OneCycle {
                steps,
                rise,
                div,
                final_div,
                shape,
                three_phase,
            } => {
                let shape = match shape {
                    Anneal::Cosine => "cosine",
                    Anneal::Linear => "linear",
                };
                let phases = if *three_phase { 3 } else { 2 };
                write!(
                    f,
                    "one_cycle({steps}, {rise:?}, {div:?}, {final_div:?}, {shape}, {phases})"
                )
            }
            Self::Polynomial { steps, power, end } => {
                write!(f, "polynomial({steps}, {power:?}, {end:?})")
            }
            Self::InverseTime { every, rate } => write!(f, "inverse_time({every}, {rate:?})"),
            Self::InverseSqrt { warm_up } => write!(f, "inverse_sqrt({warm_up})"),
            Self::CosineRestarts { steps, growth, end } => {
                write!(f, "cosine_restarts({steps}, {growth}, {end:?})")
            }
            Self::Cyclic {
                up,
                down,
                low,
                fading,
            } => {
                write!(f, "cyclic({up}, {down}, {low:?}, ")?;
                match fading {
                    Fading::Never => f.write_str("triangular)"),
                    Fading::Halving => f.write_str("triangular2)"),
                    Fading::Exponential(gamma) => write!(f, "exp_range({gamma:?}))"),
                }
            }
            Self::Product(all) => {
                f.write_str("product(")?;
                for (i, one) in all.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{one}")?;
                }
                f.write_str(")")
            }
            Self::Piecewise(pieces) => {
                f.write_str("piecewise(")?;
                for (i, (first, schedule)) in pieces.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}{first}, {schedule}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    /// Reads what `Display` writes; `one_cycle` may be given its steps alone, and `constant` nothing.
    fn from_str(text: &str) -> Result<Self, Error> {
        let schedule = parse(text.trim()).ok_or_else(|| {
            Error::usage(format!(
                "`{text}` is no schedule; wanted one of constant, step(every, gamma), exponential(gamma), \
                 cosine(steps, end), linear(steps, start, end), warm_up(steps, schedule), one_cycle(steps), \
                 polynomial(steps, power, end), inverse_time(every, rate), inverse_sqrt(warm_up), cosine_restarts(steps, growth, end), \
                 cyclic(up, down, low, triangular or triangular2 or exp_range(gamma)), product(schedule, ..), \
                 piecewise(0, schedule, step, schedule, ..)"
            ))
        })?;
        match schedule.check() {
            Ok(()) => Ok(schedule),
            Err(problem) => Err(Error::usage(format!("`{text}` is no schedule: {problem}"))),
        }
    }
}

/// The schedule that is written here, whatever its numbers are.
fn parse(text: &str) -> Option<Schedule> {
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), arguments(rest.strip_suffix(')')?)?),
        None => (text, Vec::new()),
    };
    let count = |text: &str| text.parse::<u64>().ok();
    let number = |text: &str| text.parse::<f64>().ok();
    Some(match (name, arguments.as_slice()) {
        ("constant", []) => Schedule::constant(),
        ("constant", [factor]) => Schedule::Constant(number(factor)?),
        ("step", [every, gamma]) => Schedule::Step {
            every: count(every)?,
            gamma: number(gamma)?,
        },
        ("exponential", [gamma]) => Schedule::Exponential {
            gamma: number(gamma)?,
        },
        ("cosine", [steps, end]) => Schedule::Cosine {
            steps: count(steps)?,
            end: number(end)?,
        },
        ("linear", [steps, start, end]) => Schedule::Linear {
            steps: count(steps)?,
            start: number(start)?,
            end: number(end)?,
        },
        ("warm_up", [steps, then]) => parse(then)?.warm_up(count(steps)?),
        ("one_cycle", [steps]) => Schedule::one_cycle(count(steps)?),
        ("one_cycle", [steps, rise, div, final_div, shape, phases]) => Schedule::OneCycle {
            steps: count(steps)?,
            rise: number(rise)?,
            div: number(div)?,
            final_div: number(final_div)?,
            shape: match *shape {
                "cosine" => Anneal::Cosine,
                "linear" => Anneal::Linear,
                _ => return None,
            },
            three_phase: match *phases {
                "2" => false,
                "3" => true,
                _ => return None,
            },
        },
        ("polynomial", [steps, power, end]) => Schedule::Polynomial {
            steps: count(steps)?,
            power: number(power)?,
            end: number(end)?,
        },
        ("inverse_time", [every, rate]) => Schedule::InverseTime {
            every: count(every)?,
            rate: number(rate)?,
        },
        ("inverse_sqrt", [warm_up]) => Schedule::InverseSqrt {
            warm_up: count(warm_up)?,
        },
        ("cosine_restarts", [steps, growth, end]) => Schedule::CosineRestarts {
            steps: count(steps)?,
            growth: count(growth)?,
            end: number(end)?,
        },
        ("cyclic", [up, down, low, fading]) => Schedule::Cyclic {
            up: count(up)?,
            down: count(down)?,
            low: number(low)?,
            fading: match *fading {
                "triangular" => Fading::Never,
                "triangular2" => Fading::Halving,
                other => {
                    let gamma = other.strip_prefix("exp_range(")?.strip_suffix(')')?;
                    Fading::Exponential(number(gamma)?)
                }
            },
        },
        ("product", [""]) => Schedule::product([]),
        ("product", all) => {
            let all: Vec<_> = all.iter().map(|one| parse(one)).collect::<Option<_>>()?;
            Schedule::Product(all)
        }
        ("piecewise", all) => {
            let (pairs, []) = all.as_chunks::<2>() else {
                return None;
            };
            let piece = |[first, schedule]: &[&str; 2]| Some((count(first)?, parse(schedule)?));
            let pieces: Vec<_> = pairs.iter().map(piece).collect::<Option<_>>()?;
            Schedule::Piecewise(pieces)
        }
        _ => return None,
    })
}

/// The parts between commas that stand in no inner brackets; `None` where brackets do not match or are too deep.
fn arguments(text: &str) -> Option<Vec<&str>> {
    /// Deeper than anybody writes, and shallow enough for the stack.
    const DEEPEST: usize = 16;
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_usize);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(text[begin..i].trim());
                begin = i + 1;
            }
            _ => {}
        }
        if depth > DEEPEST {
            return None;
        }
    }
    parts.push(text[begin..].trim());
    (depth == 0).then_some(parts)
}
