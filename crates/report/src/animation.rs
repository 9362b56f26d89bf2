//! Pictures that follow one another: animated PNG, which every browser shows.

use crate::picture::{self, Picture};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Frames of one size that follow one another, again and again.
///
/// ```
/// use eras_report::{Animation, Picture};
/// use std::time::Duration;
///
/// let frames = (0..3).map(|i| Picture::grey(8, 8, vec![80 * i; 64])).collect();
/// let animation = Animation::new(frames, Duration::from_millis(100));
/// assert!(animation.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Animation {
    frames: Vec<Picture>,
    /// In milliseconds.
    delay: u16,
}

impl Animation {
    /// Shows each frame for `delay`, which is rounded to milliseconds. One frame in colour makes all of them colour.
    ///
    /// # Panics
    /// If there are no frames, they have different sizes, or `delay` is not between 1 ms and 65 s.
    #[must_use]
    #[track_caller]
    pub fn new(frames: Vec<Picture>, delay: Duration) -> Self {
        let milliseconds = delay.as_secs_f64() * 1000.0;
        assert!(
            (1.0..=65_000.0).contains(&milliseconds.round()),
            "animation: found a delay of {delay:?}, wanted 1 ms to 65 s"
        );
        assert!(!frames.is_empty(), "animation: no frames");
        let size = |frame: &Picture| (frame.width(), frame.height());
        let first = size(&frames[0]);
        for (i, frame) in frames.iter().enumerate() {
            let found = size(frame);
            assert!(
                found == first,
                "animation: frame {i} has {} by {} pixels, the first {} by {}",
                found.0,
                found.1,
                first.0,
                first.1
            );
        }
        let frames = if frames.iter().any(|frame| frame.channels() == 3) {
            frames.into_iter().map(Picture::in_colour).collect()
        } else {
            frames
        };
        Self {
            frames,
            delay: milliseconds.round() as u16,
        }
    }

    /// All animations in one, beside each other as in [`Picture::grid`], with the delay of the first.
    ///
    /// # Panics
    /// If there are no animations or no columns, or they have different numbers of frames.
    #[must_use]
    #[track_caller]
    pub fn grid(animations: &[Self], columns: usize) -> Self {
        assert!(!animations.is_empty(), "grid: no animations");
        let count = animations[0].frames.len();
        for (i, animation) in animations.iter().enumerate() {
            let found = animation.frames.len();
            assert_eq!(
                found, count,
                "grid: animation {i} has {found} frames, the first {count}"
            );
        }
        let frame = |t: usize| {
            let together: Vec<Picture> = animations.iter().map(|a| a.frames[t].clone()).collect();
            Picture::grid(&together, columns)
        };
        Self {
            frames: (0..count).map(frame).collect(),
            delay: animations[0].delay,
        }
    }

    /// The frames, in order.
    #[must_use]
    pub fn frames(&self) -> &[Picture] {
        &self.frames
    }

    /// How long each is shown.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay.into())
    }

    /// The animation as a PNG file. What cannot show animations shows the first frame.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        picture::encode(&self.frames, Some(self.delay))
    }

    /// Writes the animation as a PNG file.
    ///
    /// # Errors
    /// If the file cannot be written; the message names it.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        picture::write(path.as_ref(), &self.png())
    }

    /// The animation as a `data:` URI, to stand in a page.
    pub(crate) fn data_uri(&self) -> String {
        picture::data_uri(&self.png())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(80);

    /// The frames of a file, each with its delay in milliseconds, and how often it is shown (0 for always).
    fn decode(bytes: &[u8]) -> (Vec<(Picture, u32)>, u32) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let control = *reader.info().animation_control().expect("an animation");
        let frames = (0..control.num_frames).map(|_| {
            let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
            let info = reader.next_frame(&mut pixels).expect("a frame");
            let frame = reader
                .info()
                .frame_control
                .expect("a frame of an animation");
            let delay = 1000 * u32::from(frame.delay_num) / u32::from(frame.delay_den);
            let (width, height) = (info.width as usize, info.height as usize);
            let picture = match info.color_type.samples() {
                1 => Picture::grey(width, height, pixels),
                _ => Picture::rgb(width, height, pixels),
            };
            (picture, delay)
        });
        (frames.collect(), control.num_plays)
    }

    fn grey(value: u8) -> Picture {
        Picture::grey(3, 2, (0..6).map(|i| value + i).collect())
    }

    #[test]
    fn a_file_holds_every_frame_with_its_delay_and_goes_on_for_ever() {
        let frames: Vec<Picture> = (0..5).map(|i| grey(40 * i)).collect();
        let animation = Animation::new(frames.clone(), DELAY);
        let (found, plays) = decode(&animation.png());
        assert_eq!(plays, 0);
        assert_eq!(found.len(), 5);
        for ((picture, delay), wanted) in found.iter().zip(&frames) {
            assert_eq!((picture, *delay), (wanted, 80));
        }
        // One frame is an animation too.
        let one = Animation::new(vec![grey(7)], Duration::from_secs(65));
        assert_eq!(decode(&one.png()).0, [(grey(7), 65_000)]);
    }

    #[test]
    fn one_frame_in_colour_makes_all_colour() {
        let red = Picture::rgb(3, 2, [200, 0, 0].repeat(6));
        let animation = Animation::new(vec![grey(1), red.clone()], DELAY);
        let (found, _) = decode(&animation.png());
        let [(first, _), (second, _)] = &found[..] else {
            panic!("two frames")
        };
        assert_eq!(first.pixels()[..6], [1, 1, 1, 2, 2, 2]);
        assert_eq!(*second, red);
    }

    #[test]
    fn a_grid_moves_together() {
        let rows = |from: u8| Animation::new(vec![grey(from), grey(from + 50)], DELAY);
        let grid = Animation::grid(&[rows(0), rows(100)], 2);
        for (t, frame) in grid.frames().iter().enumerate() {
            let (left, right) = (grey(50 * t as u8), grey(100 + 50 * t as u8));
            assert_eq!(*frame, Picture::grid(&[left, right], 2));
        }
        assert_eq!((grid.frames().len(), grid.delay()), (2, DELAY));
    }

    #[test]
    #[should_panic(expected = "animation: frame 1 has 1 by 1 pixels, the first 3 by 2")]
    fn frames_of_other_sizes_are_refused() {
        let _ = Animation::new(vec![grey(0), Picture::grey(1, 1, vec![0])], DELAY);
    }

    #[test]
    #[should_panic(expected = "animation: found a delay of 0ns, wanted 1 ms to 65 s")]
    fn no_delay_is_refused() {
        let _ = Animation::new(vec![grey(0)], Duration::ZERO);
    }
}
