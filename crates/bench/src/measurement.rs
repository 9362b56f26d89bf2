//! What was measured, as a line of JSON and as a row of a table.

use serde::{Deserialize, Serialize};

/// Which of the machine's limits a workload runs into, and so what its share is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Arithmetic in f32: a share of the multiply-adds that the same number of threads can do.
    F32,
    /// Arithmetic in bf16: a share of the bf16 dot products where the processor has them, else of the f32 peak.
    Bf16,
    /// Memory: a share of the bandwidth at which all threads copy. What counts as moved is each tensor's first reading
    /// and last writing, as if the caches held all else: a second pass over memory is a loss that the share shows.
    Memory,
    /// Memory that is only read: a share of the bandwidth at which all threads read.
    Read,
    /// Neither, but what an operation costs however small it is: there is no share.
    Overhead,
    /// A limit of the machine itself.
    Peak,
}

/// One workload, or one limit of the machine, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The name, as `--only` takes it.
    pub workload: String,
    /// Threads that shared the work.
    pub threads: usize,
    /// What limits it.
    pub kind: Kind,
    /// Milliseconds of a step; half of the samples took longer. Nothing for a limit of the machine.
    pub median_ms: Option<f64>,
    /// Milliseconds of the fastest sample.
    pub best_ms: Option<f64>,
    /// How many samples were taken.
    pub samples: Option<usize>,
    /// The median as a share of the machine's limit, 1 being the limit itself; see [`Kind`].
    pub share_of_peak: Option<f64>,
    /// The most resident memory of the process that ran this workload and nothing else, in 10⁶ bytes.
    pub rss_mb: Option<f64>,
    /// Floating point operations of a step, a multiply-add being two.
    pub flops: Option<f64>,
    /// Bytes that a step moves between processor and memory at least.
    pub bytes: Option<f64>,
    /// 10⁹ operations per second, by the median; for a limit, the limit.
    pub gflops: Option<f64>,
    /// 10⁹ bytes per second, by the median; for a limit, the limit.
    pub gb_per_s: Option<f64>,
}

impl Measurement {
    /// One line of JSON, without its end.
    ///
    /// # Panics
    /// Never: the fields are numbers and names.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and names are JSON")
    }

    /// What [`to_json`](Self::to_json) wrote.
    pub(crate) fn from_json(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// The head of the table whose rows are [`row`](Self::row)s.
    #[must_use]
    pub fn head() -> String {
        columns([
            "workload", "threads", "median", "best", "rate", "of peak", "peak MB",
        ])
    }

    /// A row of the table, without its end. The columns are as wide for every row, so that rows can be printed as they
    /// come.
    #[must_use]
    pub fn row(&self) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let rate = match (self.gflops, self.gb_per_s) {
            (Some(gflops), _) => Some(format!("{gflops:.1} GFLOP/s")),
            (None, Some(gb)) => Some(format!("{gb:.1} GB/s")),
            (None, None) => None,
        };
        columns([
            &self.workload,
            &self.threads.to_string(),
            &or_dash(self.median_ms.map(duration)),
            &or_dash(self.best_ms.map(duration)),
            &or_dash(rate),
            &or_dash(
                self.share_of_peak
                    .map(|share| format!("{:.0}%", 100.0 * share)),
            ),
            &or_dash(self.rss_mb.map(|mb| format!("{mb:.1}"))),
        ])
    }
}

fn columns([name, threads, median, best, rate, share, rss]: [&str; 7]) -> String {
    format!("{name:<20}{threads:>8}{median:>11}{best:>11}{rate:>17}{share:>9}{rss:>9}")
}

/// Milliseconds in the unit that suits them, with four digits: `212.3 ns`, `1.234 ms`.
fn duration(ms: f64) -> String {
    let (value, unit) = match ms {
        _ if ms < 1e-3 => (ms * 1e6, "ns"),
        _ if ms < 1.0 => (ms * 1e3, "µs"),
        _ if ms < 1e3 => (ms, "ms"),
        _ => (ms / 1e3, "s"),
    };
    let decimals = match value {
        _ if value < 10.0 => 3,
        _ if value < 100.0 => 2,
        _ => 1,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Measurement {
        Measurement {
            workload: "mlp".to_owned(),
            threads: 2,
            kind: Kind::F32,
            median_ms: Some(1.25),
            best_ms: Some(0.9999),
            samples: Some(1200),
            share_of_peak: Some(0.74),
            rss_mb: Some(31.25),
            flops: Some(410.8e6),
            bytes: None,
            gflops: Some(328.64),
            gb_per_s: None,
        }
    }

    #[test]
    fn the_line_of_json_has_the_promised_fields() {
        let line = example().to_json();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["workload"], "mlp");
        assert_eq!(value["threads"], 2);
        assert_eq!(value["kind"], "f32");
        for (key, number) in [
            ("median_ms", 1.25),
            ("best_ms", 0.9999),
            ("share_of_peak", 0.74),
            ("rss_mb", 31.25),
        ] {
            assert_eq!(value[key].as_f64(), Some(number), "{key}");
        }
        assert!(value["bytes"].is_null() && !line.contains('\n'));
        assert_eq!(Measurement::from_json(&line), Some(example()));
        assert_eq!(Measurement::from_json("loading"), None);
    }

    #[test]
    fn rows_stand_under_the_head() {
        let mut limit = example();
        limit.median_ms = None;
        let rows = [Measurement::head(), example().row(), limit.row()];
        assert_eq!(
            rows[1],
            "mlp                        2   1.250 ms   999.9 µs    328.6 GFLOP/s      74%     31.2"
        );
        assert!(rows[2].starts_with("mlp                        2          –   999.9 µs"));
        assert!(
            rows.iter()
                .all(|row| row.chars().count() == rows[0].chars().count())
        );
    }

    #[test]
    fn durations_are_in_the_unit_that_suits_them() {
        let texts = [123.4e-6, 4.56e-3, 78.9e-3, 0.999, 12.3, 4321.0].map(duration);
        assert_eq!(
            texts,
            [
                "123.4 ns",
                "4.560 µs",
                "78.90 µs",
                "999.0 µs",
                "12.30 ms",
                "4.321 s"
            ]
        );
    }
}
