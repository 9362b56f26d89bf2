//! What a judge of digits sees in videos.

use crate::deep_learning::judge::{Judge, Verdict};
use crate::promise::{Measured, Unit};
use eras_report::{Section, Table, format};
use eras_tensor::Tensor;

/// What a judge of digits sees in videos.
pub(super) struct Seen {
    /// Of all frames.
    verdict: Verdict,
    /// Of the first frame of each video: the others resemble it.
    first: Verdict,
    /// The share of the videos whose first and last frame show the same digit.
    same: f64,
    /// How many pixels the figure moves from a frame to the next.
    motion: f64,
}

impl Seen {
    /// Of videos `(N, 1, T, H, W)` within [0, 1].
    pub(super) fn of(judge: &Judge, videos: &Tensor) -> Self {
        let &[count, _, time, height, width] = videos.shape() else {
            panic!("Seen: videos {:?} must be (N, 1, T, H, W)", videos.shape());
        };
        let x = videos.contiguous();
        let (mut windows, mut way) = (Vec::with_capacity(count * time), 0.0);
        for video in x.as_slice::<f32>().chunks_exact(time * height * width) {
            let mut last = None;
            for frame in video.chunks_exact(height * width) {
                let centre = centre(frame, width);
                windows.extend(window(frame, width, centre));
                let from = last.replace(centre).unwrap_or(centre);
                way += (centre[0] - from[0]).hypot(centre[1] - from[1]);
            }
        }
        let firsts = windows.chunks_exact(WINDOW * WINDOW).step_by(time);
        let firsts: Vec<f32> = firsts.flatten().copied().collect();
        let firsts = Tensor::from_slice(&firsts, [count, 1, WINDOW, WINDOW]);
        let windows = Tensor::from_slice(&windows, [count * time, 1, WINDOW, WINDOW]);
        let (seen, ..) = judge.read(&windows);
        let same = seen.chunks_exact(time).filter(|of| of[0] == of[time - 1]);
        Self {
            same: same.count() as f64 / count as f64,
            motion: way / (count * (time - 1)) as f64,
            verdict: judge.judge(&windows),
            first: judge.judge(&firsts),
        }
    }

    pub(super) fn measured(&self, real: &Self) -> Vec<Measured> {
        vec![
            Measured::new("same_digit", self.same, Unit::Share),
            Measured::new("motion", self.motion / real.motion, Unit::Share),
            Measured::new("confidence", self.verdict.confidence, Unit::Share),
            Measured::new("frechet_distance", self.verdict.frechet, Unit::Plain),
        ]
    }
}

/// What the judge reads.
const WINDOW: usize = 28;

/// The centre of mass of the light in a frame, in pixels from above and from the left; the middle where there is none.
fn centre(frame: &[f32], width: usize) -> [f64; 2] {
    let (mut mass, mut at) = (0.0, [0.0; 2]);
    for (i, &pixel) in frame.iter().enumerate() {
        // Hints of light all over would draw the centre to the middle.
        let pixel = f64::from(pixel) - 0.2;
        if pixel > 0.0 {
            mass += pixel;
            at[0] += pixel * (i / width) as f64;
            at[1] += pixel * (i % width) as f64;
        }
    }
    if mass > 0.0 {
        at.map(|sum| sum / mass)
    } else {
        [(frame.len() / width) as f64 / 2.0, width as f64 / 2.0]
    }
}

/// The 28 x 28 pixels around `centre`, as far as the frame goes.
fn window(frame: &[f32], width: usize, centre: [f64; 2]) -> Vec<f32> {
    let height = frame.len() / width;
    // The pixel at 14 of 28 is right of and below the middle, where MNIST has its centre of mass.
    let from = |centre: f64, side: usize| {
        let from = (centre + 0.5).round() - WINDOW as f64 / 2.0;
        from.clamp(0.0, (side - WINDOW) as f64) as usize
    };
    let (top, left) = (from(centre[0], height), from(centre[1], width));
    let rows = frame.chunks_exact(width).skip(top).take(WINDOW);
    rows.flat_map(|row| &row[left..left + WINDOW])
        .copied()
        .collect()
}

/// What the judge has seen, beside what it sees in real videos and in noise.
pub(super) fn section(judge: &Judge, [made, real, noise]: [&Seen; 3]) -> Section {
    let mut table = Table::new([
        "videos",
        "same digit at both ends",
        "pixels a frame",
        "confidence",
        "Fréchet distance",
    ]);
    let rows = [
        ("made", made),
        ("real, of test digits", real),
        ("noise", noise),
    ];
    for (name, seen) in rows {
        table = table.row([
            name.to_owned(),
            format::percent(seen.same),
            format::significant(seen.motion),
            format::percent(seen.verdict.confidence),
            format::significant(seen.verdict.frechet),
        ]);
    }
    Section::new("Judged")
        .note("By a LeNet-5 that has learned the digits")
        .text(
            "In each frame LeNet-5 reads the 28 x 28 pixels around the centre of what is light. Motion is how far that centre \
             goes from a frame to the next. The Fréchet distance is that of LeNet's 84 features in all these windows to those \
             of the training digits, each taken for a normal distribution: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½).",
        )
        .table(table)
        .text(format!(
            "Of the first frames: {}",
            judge.told_collapse(&made.first)
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_around_its_centre_of_light() {
        let mut frame = vec![0.0f32; 36 * 36];
        for (row, column) in [(20, 10), (20, 12), (22, 10), (22, 12)] {
            frame[row * 36 + column] = 1.0;
        }
        let at = centre(&frame, 36);
        assert_eq!(at, [21.0, 11.0]);
        let seen = window(&frame, 36, at);
        // 28 x 28 from row 8 and column 0 on, which is as far left as it goes.
        assert_eq!(seen.len(), WINDOW * WINDOW);
        assert_eq!((seen[12 * WINDOW + 10], seen[14 * WINDOW + 12]), (1.0, 1.0));
        assert_eq!(centre(&[0.1; 36 * 36], 36), [18.0, 18.0]);
    }
}
