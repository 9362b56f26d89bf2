//! Curves for a terminal, one line each.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values as bars from the lowest to the highest, in at most `width` characters; where there are
/// more values, each character is the mean of its share. What is not finite is a blank.
///
/// ```
/// assert_eq!(eras_report::sparkline(&[0.0, 1.0, 2.0, 7.0], 10), "▁▂▃█");
/// ```
#[must_use]
pub fn sparkline(values: &[f64], width: usize) -> String {
    let means = resample(values, width);
    let finite = || means.iter().copied().filter(|v| v.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let bar = |v: f64| {
        // Halves, so that the span of the largest numbers does not overflow.
        let at = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        match at {
            _ if !v.is_finite() => ' ',
            _ if low == high => BARS[3],
            at => BARS[(at * 7.0).round() as usize],
        }
    };
    means.iter().map(|&v| bar(v)).collect()
}

/// At most `width` means over shares of the values that are as equal as can be.
fn resample(values: &[f64], width: usize) -> Vec<f64> {
    let n = values.len().min(width);
    let share = |i: usize| &values[i * values.len() / n..(i + 1) * values.len() / n];
    let mean = |share: &[f64]| {
        let finite = || share.iter().filter(|v| v.is_finite());
        let count = finite().count() as f64;
        if count == 0.0 {
            f64::NAN
        } else {
            finite().map(|v| v / count).sum()
        }
    };
    (0..n).map(|i| mean(share(i))).collect()
}

/// A curve with its name, for [`curves`].
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// What stands before it.
    pub name: &'a str,
    /// Its values, from the first to the last.
    pub values: &'a [f64],
    /// How to write the first and the last value.
    pub format: fn(f64) -> String,
}

/// Several curves, one a line, with aligned names and the first and last value after each.
///
/// ```
/// use eras_report::{Curve, curves, format};
///
/// let (loss, accuracy) = ([0.412, 0.21, 0.15], [0.89, 0.95, 0.96]);
/// let text = curves(&[
///     Curve { name: "loss", values: &loss, format: format::significant },
///     Curve { name: "accuracy", values: &accuracy, format: format::percent },
/// ], 40);
/// assert_eq!(text, "loss      █▃▁  0.4120 → 0.1500\naccuracy  ▁▇█  89.00% → 96.00%\n");
/// ```
#[must_use]
pub fn curves(curves: &[Curve<'_>], width: usize) -> String {
    let names = curves
        .iter()
        .map(|c| c.name.chars().count())
        .max()
        .unwrap_or(0);
    let bars: Vec<String> = curves.iter().map(|c| sparkline(c.values, width)).collect();
    let longest = bars.iter().map(|b| b.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (curve, bars) in curves.iter().zip(bars) {
        let value = |v: Option<&f64>| v.map_or(String::new(), |&v| (curve.format)(v));
        let (first, last) = (value(curve.values.first()), value(curve.values.last()));
        let line = match curve.values.len() {
            0 | 1 => format!("{:names$}  {bars:longest$}  {last}", curve.name),
            _ => format!("{:names$}  {bars:longest$}  {first} → {last}", curve.name),
        };
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_run_from_the_lowest_to_the_highest() {
        assert_eq!(
            sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 8),
            "▁▂▃▄▅▆▇█"
        );
        assert_eq!(sparkline(&[-1.0, 1.0], 8), "▁█");
    }

    #[test]
    fn what_is_not_finite_is_a_blank_and_a_constant_lies_in_the_middle() {
        assert_eq!(sparkline(&[1.0, f64::NAN, f64::INFINITY, 2.0], 8), "▁  █");
        assert_eq!(sparkline(&[5.0; 3], 8), "▄▄▄");
        assert_eq!(sparkline(&[f64::MAX, f64::MIN], 8), "█▁");
        assert_eq!(sparkline(&[f64::NAN], 8), " ");
        assert_eq!(sparkline(&[], 8), "");
        assert_eq!(sparkline(&[1.0, 2.0], 0), "");
    }

    #[test]
    fn more_values_than_room_are_averaged() {
        // Shares (0, 0), (7, 7), (1, 3) and their means 0, 7, 2.
        assert_eq!(sparkline(&[0.0, 0.0, 7.0, 7.0, 1.0, 3.0], 3), "▁█▃");
        assert_eq!(sparkline(&[1.0; 1000], 40).chars().count(), 40);
    }

    #[test]
    fn names_and_values_line_up() {
        let long = [3.0, 2.0, 1.0];
        let format = |v: f64| format!("{v}");
        let text = curves(
            &[
                Curve {
                    name: "é",
                    values: &long,
                    format,
                },
                Curve {
                    name: "abc",
                    values: &long[..1],
                    format,
                },
                Curve {
                    name: "none",
                    values: &[],
                    format,
                },
            ],
            9,
        );
        assert_eq!(text, "é     █▅▁  3 → 1\nabc   ▄    3\nnone\n");
    }
}
