//! Axes: where the ticks stand, what they say, and where a value falls.

use crate::format::{count, minus};

/// How an axis maps values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps for equal differences.
    #[default]
    Linear,
    /// Equal steps for equal ratios; values of zero or below cannot be shown and leave a gap.
    Log,
}

impl Scale {
    /// Whether this axis can show the value; beyond these sizes the arithmetic of ticks would overflow.
    pub(crate) fn shows(self, value: f64) -> bool {
        match self {
            Self::Linear => value.abs() < 1e300,
            Self::Log => value > 1e-150 && value < 1e150,
        }
    }
}

/// How the ticks of a linear axis are chosen and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Any number.
    Plain,
    /// Whole numbers only: epochs, steps.
    Whole,
    /// Shares of one, written as percentages.
    Percent,
}

/// An axis: its bounds and its ticks, each with its label.
#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) scale: Scale,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that holds all values it can show, with about `want` ticks. With `snap`, it begins and
    /// ends on a tick; otherwise it ends where the data end.
    pub(crate) fn new(
        values: impl Iterator<Item = f64>,
        scale: Scale,
        unit: Unit,
        want: usize,
        snap: bool,
    ) -> Self {
        let (low, high) = values
            .filter(|&v| scale.shows(v))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                (v.min(l), v.max(h))
            });
        let empty = low > high;
        match scale {
            Scale::Linear => {
                let (low, high) = if empty {
                    (0.0, 1.0)
                } else {
                    widen(low, high, unit)
                };
                linear(low, high, unit, want, snap)
            }
            Scale::Log if empty => log(0.1, 1.0, unit, want),
            Scale::Log => log(low, high, unit, want),
        }
    }

    /// Where a value falls between the bounds: 0 at the low end, 1 at the high end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let low = self.low.log10();
                (value.log10() - low) / (self.high.log10() - low)
            }
        }
    }
}

/// Makes room around data that do not spread, so that a constant stands in the middle.
fn widen(low: f64, high: f64, unit: Unit) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    // Differences too small to be divided by count as none.
    if high - low > (size * 1e-9).max(1e-290) {
        return (low, high);
    }
    let room = match unit {
        Unit::Whole => 1.0_f64.max(size * 1e-9),
        _ if size < 1e-290 => 1.0,
        _ => size * 0.1,
    };
    (low - room, high + room)
}

/// The smallest of 1, 2, 5, 10, 20, ... (and their decimal parts) that is at least `least`.
fn nice_step(least: f64) -> f64 {
    let power = least.log10().floor() as i32;
    // Dividing by 100 is exact where multiplying by 0.01 is not: labels and bounds stay clean.
    let ten = |k: i32| {
        if k < 0 {
            1.0 / 10f64.powi(-k)
        } else {
            10f64.powi(k)
        }
    };
    let size = least / ten(power);
    match () {
        () if size <= 1.000_001 => ten(power),
        () if size <= 2.000_001 => 2.0 * ten(power),
        () if size <= 5.000_001 => 5.0 * ten(power),
        () => ten(power + 1),
    }
}

fn linear(low: f64, high: f64, unit: Unit, want: usize, snap: bool) -> Axis {
    let mut step = nice_step((high - low) / want.max(1) as f64);
    if unit == Unit::Whole {
        step = step.max(1.0);
    }
    // A hair's breadth of tolerance: 0.3 / 0.1 must count as 3.
    let (first, last) = if snap {
        ((low / step + 1e-6).floor(), (high / step - 1e-6).ceil())
    } else {
        ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor())
    };
    let ticks = (0..=(last - first).clamp(0.0, 100.0) as usize)
        .map(|i| tidy((first + i as f64) * step, step))
        .map(|value| (value, linear_label(value, step, unit)))
        .collect();
    let (low, high) = if snap {
        (first * step, last * step)
    } else {
        (low, high)
    };
    Axis {
        scale: Scale::Linear,
        low,
        high,
        ticks,
    }
}

/// Rounds away what floating point left over: 3 × 0.1 is 0.3.
fn tidy(value: f64, step: f64) -> f64 {
    let decimals = 1.0 - step.log10().floor();
    if value.abs() >= 1e15 || !(0.0..=17.0).contains(&decimals) {
        return value;
    }
    let power = 10f64.powi(decimals as i32);
    (value * power).round() / power
}

fn linear_label(value: f64, step: f64, unit: Unit) -> String {
    let (value, step, sign) = match unit {
        Unit::Percent => (value * 100.0, step * 100.0, "%"),
        _ => (value, step, ""),
    };
    if value == 0.0 {
        return format!("0{sign}");
    }
    if value.abs() >= 1e6 || step < 0.9e-4 {
        return format!("{}{sign}", scientific(value, step));
    }
    let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    let text = if decimals == 0 && value.abs() >= 1e3 {
        minus(format!(
            "{}{}",
            if value < 0.0 { "-" } else { "" },
            count(value.abs().round() as u64)
        ))
    } else {
        minus(format!("{value:.decimals$}"))
    };
    format!("{text}{sign}")
}

/// `2×10⁻⁵`, with as many digits as a difference of `step` needs.
fn scientific(value: f64, step: f64) -> String {
    let digits =
        (value.abs().log10().floor() - (step * 1.000_001).log10().floor()).clamp(0.0, 15.0);
    let text = format!("{:.*e}", digits as usize, value);
    let (mantissa, exponent) = text.split_once('e').expect("`{:e}` writes an e");
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let power: String = exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            digit => {
                ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize - '0' as usize]
            }
        })
        .collect();
    match mantissa {
        "1" => format!("10{power}"),
        "-1" => format!("−10{power}"),
        _ => minus(format!("{mantissa}×10{power}")),
    }
}

/// A logarithmic axis always begins and ends on a tick.
fn log(low: f64, high: f64, unit: Unit, want: usize) -> Axis {
    let plain = if unit == Unit::Percent {
        Unit::Percent
    } else {
        Unit::Plain
    };
    if high > low && high / low < 3.0 && high - low > high * 1e-9 {
        // Too narrow for decades: even steps, and at this ratio the lowest is above zero.
        let axis = linear(low, high, plain, want.max(3), true);
        return Axis {
            scale: Scale::Log,
            ..axis
        };
    }
    let decades = high.log10() - low.log10(); // the ratio itself may overflow
    let (steps, stride): (&[f64], _) = match decades {
        d if d < 1.7 => (&[1.0, 2.0, 5.0], 1),
        d => (&[1.0], (d / want.max(1) as f64).ceil().max(1.0) as i32),
    };
    // One decade beyond on either side, then only what the data need. Strides count from 10⁰.
    let first = (low.log10().floor() as i32).div_euclid(stride) - 1;
    let last = (high.log10().ceil() as i32).div_euclid(stride) + 1;
    let marks: Vec<f64> = (first..=last)
        .flat_map(|k| steps.iter().map(move |s| power_of_ten(*s, k * stride)))
        .filter(|v| *v > 0.0 && v.is_finite())
        .collect();
    let begin = marks
        .partition_point(|&m| m <= low * 1.000_001)
        .saturating_sub(1);
    let mut end = marks
        .partition_point(|&m| m < high * 0.999_999)
        .min(marks.len() - 1);
    let begin = if begin == end && begin > 0 {
        begin - 1
    } else {
        begin
    };
    if end - begin < 2 && low == high && end + 1 < marks.len() && marks[end] <= high * 1.000_001 {
        end += 1; // a constant on a tick stands in the middle
    }
    let ticks = marks[begin..=end]
        .iter()
        .map(|&v| (v, log_label(v, unit)))
        .collect();
    Axis {
        scale: Scale::Log,
        low: marks[begin],
        high: marks[end],
        ticks,
    }
}

/// `digit × 10^k`, read from its decimal digits so that it is the nearest number to what the label says.
fn power_of_ten(digit: f64, k: i32) -> f64 {
    format!("{digit}e{k}")
        .parse()
        .expect("a number in scientific notation")
}

fn log_label(value: f64, unit: Unit) -> String {
    let (value, sign) = if unit == Unit::Percent {
        (value * 100.0, "%")
    } else {
        (value, "")
    };
    let text = match value {
        v if !(0.9e-4..0.9e6).contains(&v) => scientific(v, v),
        v if v >= 0.9 => count(v.round() as u64),
        v => format!("{:.*}", -(v * 1.000_001).log10().floor() as usize, v),
    };
    text + sign
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(
        values: &[f64],
        scale: Scale,
        unit: Unit,
        want: usize,
        snap: bool,
    ) -> (f64, f64, String) {
        let axis = Axis::new(values.iter().copied(), scale, unit, want, snap);
        let labels: Vec<_> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        (axis.low, axis.high, labels.join(" "))
    }

    #[test]
    fn linear_ticks_are_round_numbers_that_hold_the_data() {
        let cases: [(&[f64], Unit, &str); 8] = [
            (&[0.03, 0.41], Unit::Plain, "0.0 0.1 0.2 0.3 0.4 0.5"),
            (&[0.0, 1.0], Unit::Plain, "0.0 0.2 0.4 0.6 0.8 1.0"),
            (&[-1.0, 0.3], Unit::Plain, "−1.0 −0.5 0.0 0.5"),
            (&[0.951, 0.9845], Unit::Percent, "95% 96% 97% 98% 99%"),
            (
                &[0.9811, 0.9845],
                Unit::Percent,
                "98.1% 98.2% 98.3% 98.4% 98.5%",
            ),
            (&[0.0, 56_280.0], Unit::Whole, "0 20,000 40,000 60,000"),
            (&[0.0, 2e7], Unit::Plain, "0 5×10⁶ 10⁷ 1.5×10⁷ 2×10⁷"),
            (&[0.0, 2e-6], Unit::Plain, "0 5×10⁻⁷ 10⁻⁶ 1.5×10⁻⁶ 2×10⁻⁶"),
        ];
        for (values, unit, labels) in cases {
            let (low, high, got) = axis(values, Scale::Linear, unit, 5, true);
            assert_eq!(
                got.replace("0.0", "0"),
                labels.replace("0.0", "0"),
                "{values:?}"
            );
            assert!(
                low <= values[0] && high >= values[1],
                "{values:?} in {low}..{high}"
            );
        }
    }

    #[test]
    fn whole_ticks_never_fall_between_epochs() {
        assert_eq!(
            axis(&[1.0, 12.0], Scale::Linear, Unit::Whole, 7, false),
            (1.0, 12.0, "2 4 6 8 10 12".into())
        );
        assert_eq!(
            axis(&[1.0, 3.0], Scale::Linear, Unit::Whole, 7, false),
            (1.0, 3.0, "1 2 3".into())
        );
        assert_eq!(
            axis(&[1.0], Scale::Linear, Unit::Whole, 7, false),
            (0.0, 2.0, "0 1 2".into())
        );
    }

    #[test]
    fn log_ticks_are_decades_or_one_two_five() {
        let cases: [(&[f64], &str); 7] = [
            (&[0.0012, 3.0], "0.001 0.01 0.1 1 10"),
            (&[0.03, 0.4], "0.02 0.05 0.1 0.2 0.5"),
            (&[0.1, 10.0], "0.1 1 10"),
            (&[0.30, 0.52], "0.30 0.35 0.40 0.45 0.50 0.55"),
            (&[1e-9, 1e-7], "10⁻⁹ 10⁻⁸ 10⁻⁷"),
            (&[1e3, 2e7], "1,000 10,000 100,000 10⁶ 10⁷ 10⁸"),
            (&[1e-12, 1.0], "10⁻¹² 10⁻⁹ 10⁻⁶ 0.001 1"),
        ];
        for (values, labels) in cases {
            let (low, high, got) = axis(values, Scale::Log, Unit::Plain, 5, true);
            assert_eq!(got, labels, "{values:?}");
            assert!(
                low <= values[0] * 1.001 && high >= values[1] * 0.999,
                "{values:?} in {low}..{high}"
            );
        }
    }

    #[test]
    fn values_fall_where_arithmetic_says() {
        let linear = Axis::new([0.0, 4.0].into_iter(), Scale::Linear, Unit::Plain, 4, true);
        assert_eq!(
            [linear.at(0.0), linear.at(1.0), linear.at(4.0)],
            [0.0, 0.25, 1.0]
        );
        let log = Axis::new([0.01, 100.0].into_iter(), Scale::Log, Unit::Plain, 5, true);
        assert_eq!([log.at(0.01), log.at(1.0), log.at(100.0)], [0.0, 0.5, 1.0]);
    }

    #[test]
    fn degenerate_data_still_give_an_axis() {
        let odd: [&[f64]; 13] = [
            &[],
            &[f64::NAN],
            &[f64::INFINITY, f64::NEG_INFINITY],
            &[0.0],
            &[-7.0],
            &[1e16, 1e16 + 2.0],
            &[f64::MAX, f64::MIN],
            &[f64::MIN_POSITIVE],
            &[5e-324, 1.0],
            &[9e299, -9e299],
            &[1e-299, 9e299],
            &[1.1e-150, 9e149],
            &[0.1 + 0.2, 0.3],
        ];
        for values in odd {
            for scale in [Scale::Linear, Scale::Log] {
                for unit in [Unit::Plain, Unit::Whole, Unit::Percent] {
                    for snap in [false, true] {
                        let axis = Axis::new(values.iter().copied(), scale, unit, 5, snap);
                        assert!(axis.low < axis.high, "{values:?} {scale:?} {axis:?}");
                        assert!(
                            (1..=30).contains(&axis.ticks.len()),
                            "{values:?} {scale:?} {axis:?}"
                        );
                        for &v in values.iter().filter(|v| scale.shows(**v)) {
                            let at = axis.at(v);
                            assert!(
                                (-1e-6..=1.0 + 1e-6).contains(&at),
                                "{v} at {at} in {axis:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_constant_stands_in_the_middle() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::new([0.5, 0.5].into_iter(), scale, Unit::Plain, 5, true);
            assert!((0.2..0.8).contains(&axis.at(0.5)), "{axis:?}");
        }
    }
}
