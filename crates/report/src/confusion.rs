//! Confusion matrices: what was taken for what.

use crate::format::{count, percent_to};
use crate::svg::{self, num, put};

/// How often each class was taken for each. Rows are the true classes, columns the predicted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    names: Vec<String>,
    counts: Vec<u64>,
}

/// How well one class is recognized. A share whose denominator is zero is NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// The share of what was called this class that is of it.
    pub precision: f64,
    /// The share of this class that was called so.
    pub recall: f64,
    /// The harmonic mean of both, `2 TP / (2 TP + FP + FN)`.
    pub f1: f64,
    /// How many examples are of this class.
    pub support: u64,
}

impl Confusion {
    /// A matrix over these classes; `counts` is `(true, predicted)`, row by row.
    ///
    /// # Panics
    /// If there is no class, or `counts` does not hold the square of their number.
    #[must_use]
    #[track_caller]
    pub fn new(names: Vec<String>, counts: Vec<u64>) -> Self {
        let n = names.len();
        assert!(n > 0, "confusion: no classes");
        assert_eq!(
            counts.len(),
            n * n,
            "confusion: {n} classes want {} counts, got {}",
            n * n,
            counts.len()
        );
        Self { names, counts }
    }

    /// The classes.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How often class `truth` was called `predicted`.
    ///
    /// # Panics
    /// If either is not a class.
    #[must_use]
    #[track_caller]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        let n = self.names.len();
        assert!(
            truth < n && predicted < n,
            "confusion: ({truth}, {predicted}) is not within {n} classes"
        );
        self.counts[truth * n + predicted]
    }

    /// Precision, recall and F1 of each class.
    #[must_use]
    pub fn scores(&self) -> Vec<ClassScore> {
        let n = self.names.len();
        let share = |part: u64, whole: u64| {
            if whole == 0 {
                f64::NAN
            } else {
                part as f64 / whole as f64
            }
        };
        let score = |class| {
            let hits = self.count(class, class);
            let support: u64 = self.row(class).iter().sum();
            let called: u64 = (0..n).map(|truth| self.count(truth, class)).sum();
            ClassScore {
                precision: share(hits, called),
                recall: share(hits, support),
                f1: share(2 * hits, support + called),
                support,
            }
        };
        (0..n).map(score).collect()
    }

    /// The plain mean over the classes that occur or are predicted; a NaN counts as 0, as scikit-learn
    /// does.
    #[must_use]
    pub fn macro_mean(&self) -> ClassScore {
        let scores: Vec<_> = self
            .scores()
            .into_iter()
            .filter(|s| !s.f1.is_nan())
            .collect();
        let mean = |value: fn(&ClassScore) -> f64| {
            let sum: f64 = scores.iter().map(value).filter(|v| !v.is_nan()).sum();
            sum / scores.len() as f64
        };
        ClassScore {
            precision: mean(|s| s.precision),
            recall: mean(|s| s.recall),
            f1: mean(|s| s.f1),
            support: scores.iter().map(|s| s.support).sum(),
        }
    }

    fn row(&self, truth: usize) -> &[u64] {
        let n = self.names.len();
        &self.counts[truth * n..][..n]
    }

    /// The share of its row that each cell holds; 0 throughout an empty row.
    fn share(&self, truth: usize, predicted: usize) -> f64 {
        let total: u64 = self.row(truth).iter().sum();
        self.count(truth, predicted) as f64 / total.max(1) as f64
    }

    /// The matrix as a complete SVG file: a heat map with counts and, where there is room, the share of
    /// the row. What is right is blue; what is wrong is orange, on a scale of its own, since otherwise
    /// nobody would see the few mistakes of a good model.
    #[must_use]
    pub fn svg(&self) -> String {
        let layout = Layout::of(self);
        let label = format!(
            "Confusion matrix of {} classes: {} by {}",
            layout.n, "true class", "predicted class"
        );
        let mut out = svg::open(layout.width, layout.height, &label);
        layout.draw_labels(&mut out, &self.names);
        self.draw_cells(&mut out, &layout);
        layout.draw_key(&mut out, self.worst_share());
        out.push_str("</svg>\n");
        out
    }

    /// The end of the scale of mistakes: the largest share, but at least 5%, so that a good model's do
    /// not glow.
    fn worst_share(&self) -> f64 {
        let n = self.names.len();
        let off = (0..n * n)
            .filter(|i| i / n != i % n)
            .map(|i| self.share(i / n, i % n));
        off.fold(0.05, f64::max)
    }

    fn draw_cells(&self, out: &mut String, layout: &Layout) {
        let Layout {
            n, cell, left, top, ..
        } = *layout;
        let (x, y, side) = (num(left), num(top), num(cell * n as f64));
        put!(
            out,
            "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\"/>\n"
        );
        let worst = self.worst_share();
        let mut texts = String::new();
        for truth in 0..n {
            for predicted in 0..n {
                let hits = self.count(truth, predicted);
                if hits == 0 {
                    continue;
                }
                let share = self.share(truth, predicted);
                let right = truth == predicted;
                let shade = if right { share } else { (share / worst).sqrt() };
                let shade = 0.08 + 0.92 * shade;
                let (x, y) = (left + cell * predicted as f64, top + cell * truth as f64);
                let class = if right { "right" } else { "wrong" };
                let verb = if right { "recognized" } else { "taken for" };
                let object = if right {
                    String::new()
                } else {
                    format!(" {}", self.names[predicted])
                };
                let tip = format!(
                    "{} {verb}{object}: {} ({})",
                    self.names[truth],
                    count(hits),
                    small(share)
                );
                put!(
                    out,
                    "<path class=\"{class}\" fill-opacity=\"{shade:.2}\" d=\"M{} {}h{c}v{c}h-{c}z\"><title>{}</title></path>\n",
                    num(x),
                    num(y),
                    svg::escape(&tip),
                    c = num(cell),
                );
                // White is read on dark blue sooner than on the lighter orange.
                let dark = shade > if right { 0.6 } else { 0.85 };
                layout.draw_count(&mut texts, x, y, hits, share, dark);
            }
        }
        if cell >= 9.0 {
            let mut lines = String::new();
            for i in 1..n {
                let at = cell * i as f64;
                put!(
                    lines,
                    "M{x} {}h{side}M{} {y}v{side}",
                    num(top + at),
                    num(left + at)
                );
            }
            put!(
                out,
                "<path class=\"gap\" stroke-width=\"1\" d=\"{lines}\"/>\n"
            );
        }
        out.push_str(&texts);
    }
}

/// A share in so few characters as tell it: `98%`, `0.4%`, `<0.1%`.
fn small(share: f64) -> String {
    match share {
        s if s > 0.0 && s < 0.000_5 => "<0.1%".to_owned(),
        s if s < 0.099_5 => percent_to(s, 1),
        // Not everything is all.
        s if (0.995..1.0).contains(&s) => percent_to(s.min(0.999), 1),
        s => percent_to(s, 0),
    }
}

/// Where the parts of the picture stand.
struct Layout {
    n: usize,
    /// The side of a cell.
    cell: f64,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// Every how many classes there is a label.
    every: usize,
    label_size: f64,
    /// Whether the labels of the columns stand upright, too long to lie.
    upright: bool,
    /// The size of the counts, if they fit.
    count_size: Option<f64>,
}

const EDGE: f64 = 10.0;
const LONGEST_LABEL: f64 = 110.0;
/// The key at the foot: two bars of steps with text between.
const KEY_WIDTH: f64 = 400.0;

impl Layout {
    fn of(matrix: &Confusion) -> Self {
        let n = matrix.names.len();
        let cell = (480.0 / n as f64).clamp(4.0, 84.0);
        let label_size = (cell * 0.62).clamp(9.0, 12.0);
        let every = (label_size * 1.15 / cell).ceil() as usize;
        let every = [1, 2, 5, 10, 20, 50]
            .into_iter()
            .find(|&k| k >= every)
            .unwrap_or(100);
        let longest = matrix
            .names
            .iter()
            .map(|name| svg::text_width(name, label_size))
            .fold(0.0, f64::max);
        let upright = longest > cell * every as f64 - 4.0;
        let longest = longest.min(LONGEST_LABEL);

        let left = EDGE + 18.0 + longest + 8.0;
        let top = EDGE + 18.0 + if upright { longest } else { label_size } + 8.0;
        let side = cell * n as f64;
        let digits = matrix
            .counts
            .iter()
            .map(|&c| count(c))
            .map(|c| svg::text_width(&c, 1.0))
            .fold(0.0, f64::max);
        let count_size = (cell * 0.32).min((cell - 5.0) / digits).min(15.0);
        Self {
            n,
            cell,
            left,
            top,
            width: (left + side + EDGE).max(KEY_WIDTH + 2.0 * EDGE),
            height: top + side + 44.0,
            every,
            label_size,
            upright,
            count_size: (count_size >= 7.5).then_some(count_size),
        }
    }

    fn draw_labels(&self, out: &mut String, names: &[String]) {
        let side = self.cell * self.n as f64;
        svg::text(
            out,
            "soft",
            self.left + side / 2.0,
            EDGE + 9.0,
            "middle",
            "predicted",
        );
        let (x, y) = (num(EDGE + 9.0), num(self.top + side / 2.0));
        put!(
            out,
            "<text class=\"soft\" text-anchor=\"middle\" transform=\"translate({x} {y}) rotate(-90)\">true</text>\n"
        );
        let size = num(self.label_size);
        put!(out, "<g class=\"ink\" font-size=\"{size}\">\n");
        for (i, name) in names.iter().enumerate().step_by(self.every) {
            let name = svg::fit(name, self.label_size, LONGEST_LABEL);
            let middle = self.cell * (i as f64 + 0.5);
            let drop = self.label_size * 0.35;
            svg::text(
                out,
                "row",
                self.left - 8.0,
                self.top + middle + drop,
                "end",
                &name,
            );
            if self.upright {
                let (x, y, name) = (
                    num(self.left + middle + drop),
                    num(self.top - 7.0),
                    svg::escape(&name),
                );
                put!(
                    out,
                    "<text class=\"column\" transform=\"translate({x} {y}) rotate(-90)\">{name}</text>\n"
                );
            } else {
                svg::text(
                    out,
                    "column",
                    self.left + middle,
                    self.top - 8.0,
                    "middle",
                    &name,
                );
            }
        }
        out.push_str("</g>\n");
    }

    fn draw_count(&self, out: &mut String, x: f64, y: f64, hits: u64, share: f64, dark: bool) {
        let Some(size) = self.count_size else { return };
        let class = if dark { "on" } else { "ink" };
        let (x, middle) = (x + self.cell / 2.0, y + self.cell / 2.0);
        // The share goes below the count where it can still be read.
        let below = (self.cell >= 40.0).then_some((size * 0.72).max(9.0));
        let y = middle
            + if below.is_some() {
                -size * 0.02
            } else {
                size * 0.35
            };
        let (at, size, hits) = (num(x), num(size), count(hits));
        put!(
            out,
            "<text class=\"{class}\" x=\"{at}\" y=\"{}\" font-size=\"{size}\" text-anchor=\"middle\">{hits}",
            num(y)
        );
        if let Some(below) = below {
            let (y, size, share) = (
                num(middle + below * 1.15),
                num(below),
                svg::escape(&small(share)),
            );
            put!(
                out,
                "<tspan x=\"{at}\" y=\"{y}\" font-size=\"{size}\" fill-opacity=\"0.8\">{share}</tspan>"
            );
        }
        out.push_str("</text>\n");
    }

    /// What the colours mean: two bars of five steps each.
    fn draw_key(&self, out: &mut String, worst: f64) {
        let y = self.top + self.cell * self.n as f64 + 18.0;
        let bars = [
            (0.0, "right", "right: 0 to 100% of the row".to_owned()),
            (
                230.0,
                "wrong",
                format!("wrong: 0 to {}", percent_to(worst, 0)),
            ),
        ];
        let left = self.left.min(self.width - KEY_WIDTH - EDGE).max(EDGE);
        for (offset, class, text) in bars {
            for step in 0..5 {
                let shade = 0.08 + 0.92 * f64::from(step) / 4.0;
                let x = num(left + offset + 9.0 * f64::from(step));
                let y = num(y);
                put!(
                    out,
                    "<rect class=\"{class}\" fill-opacity=\"{shade:.2}\" x=\"{x}\" y=\"{y}\" width=\"9\" height=\"9\"/>\n"
                );
            }
            svg::text(out, "soft", left + offset + 52.0, y + 8.5, "start", &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::Document;

    fn digits(n: usize, counts: Vec<u64>) -> Confusion {
        Confusion::new((0..n).map(|i| i.to_string()).collect(), counts)
    }

    #[test]
    fn scores_are_what_the_definitions_say() {
        // 8 of 10 zeros right; of 10 ones 5 right, 5 called zero.
        let matrix = digits(2, vec![8, 2, 5, 5]);
        let [zero, one] = matrix.scores()[..] else {
            panic!("two classes")
        };
        assert_eq!(
            (zero.precision, zero.recall, zero.support),
            (8.0 / 13.0, 0.8, 10)
        );
        assert_eq!((one.precision, one.recall), (5.0 / 7.0, 0.5));
        assert!((zero.f1 - 16.0 / 23.0).abs() < 1e-15);
        let mean = matrix.macro_mean();
        assert!((mean.recall - 0.65).abs() < 1e-15 && mean.support == 20);
    }

    #[test]
    fn a_class_never_called_has_no_precision_and_counts_as_zero() {
        let matrix = digits(3, vec![4, 0, 0, 2, 0, 0, 0, 0, 0]);
        let scores = matrix.scores();
        assert!(scores[1].precision.is_nan() && scores[1].recall == 0.0 && scores[1].f1 == 0.0);
        assert!(
            scores[2].recall.is_nan() && scores[2].f1.is_nan(),
            "a class that is not there has no score"
        );
        assert_eq!(matrix.macro_mean().recall, 0.5);
        assert_eq!(matrix.macro_mean().precision, (4.0 / 6.0) / 2.0);
    }

    #[test]
    fn each_cell_stands_at_its_row_and_column() {
        // Two classes: cells of 84; the labels are one digit of 12 units, 0.6 em wide.
        let svg = digits(2, vec![9, 1, 0, 10]).svg();
        let (left, top) = (10.0 + 18.0 + 7.2 + 8.0, 10.0 + 18.0 + 12.0 + 8.0);
        let document = Document::parse(&svg).expect("valid XML");
        let starts: Vec<_> = document
            .descendants()
            .filter(|n| n.tag_name().name() == "path" && n.attribute("fill-opacity").is_some())
            .map(|n| {
                n.attribute("d")
                    .unwrap_or_default()
                    .split('h')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        let at = |row: f64, column: f64| {
            format!("M{} {}", num(left + 84.0 * column), num(top + 84.0 * row))
        };
        assert_eq!(
            starts,
            [at(0.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)],
            "no cell for a count of zero"
        );
        assert!(svg.contains("0 taken for 1: 1 (10%)") && svg.contains("1 recognized: 10 (100%)"));
    }

    #[test]
    fn labels_thin_out_and_counts_give_way() {
        for (n, labels, with_counts) in [
            (2, 2, true),
            (10, 10, true),
            (40, 40, false),
            (100, 34, false),
        ] {
            let counts = (0..n * n)
                .map(|i| if i / n == i % n { 1234 } else { (i % 3) as u64 })
                .collect();
            let names = (0..n).map(|i| format!("class {i}")).collect();
            let svg = Confusion::new(names, counts).svg();
            let document = Document::parse(&svg).expect("valid XML");
            let of = |class| {
                document
                    .descendants()
                    .filter(|n| n.attribute("class") == Some(class))
                    .count()
            };
            assert!(
                of("row") <= labels && of("row") == of("column"),
                "{n}: {}",
                of("row")
            );
            assert!(
                of("row") * 6 >= n.min(60),
                "{n}: {} labels are too few",
                of("row")
            );
            assert_eq!(svg.contains(">1,234<"), with_counts, "{n}");
        }
    }

    #[test]
    fn an_empty_matrix_is_still_a_picture() {
        for n in [1, 2, 7] {
            assert!(Document::parse(&digits(n, vec![0; n * n]).svg()).is_ok());
        }
    }

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        let cases = [
            (1.0, "100%"),
            (0.9996, "99.9%"),
            (0.9962, "99.6%"),
            (0.98, "98%"),
            (0.005, "0.5%"),
            (0.0001, "<0.1%"),
        ];
        for (share, text) in cases {
            assert_eq!(small(share), text);
        }
    }

    #[test]
    #[should_panic(expected = "confusion: 2 classes want 4 counts, got 3")]
    fn a_missing_count_is_named() {
        let _ = digits(2, vec![1, 2, 3]);
    }
}
