//! Small pictures: grey or colour, one byte a channel; PNG, grids, and data URIs for a page.

use std::fs;
use std::io;
use std::path::Path;

/// A picture: rows from the top, each pixel one byte (grey) or three (red, green, blue).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// A grey picture; `pixels` is `(height, width)`, 0 black and 255 white.
    ///
    /// # Panics
    /// If a side is zero or beyond a PNG's 2³¹ − 1, or `pixels` does not fill the picture.
    #[must_use]
    #[track_caller]
    pub fn grey(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        Self::new(width, height, 1, pixels)
    }

    /// A colour picture; `pixels` is `(height, width, 3)`.
    ///
    /// # Panics
    /// If a side is zero or beyond a PNG's 2³¹ − 1, or `pixels` does not fill the picture.
    #[must_use]
    #[track_caller]
    pub fn rgb(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        Self::new(width, height, 3, pixels)
    }

    #[track_caller]
    fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Self {
        let sides = 1..=i32::MAX as usize;
        assert!(
            sides.contains(&width) && sides.contains(&height),
            "picture: cannot be {width} by {height} pixels"
        );
        assert_eq!(
            Some(pixels.len()),
            width
                .checked_mul(height)
                .and_then(|area| area.checked_mul(channels)),
            "picture: {width} by {height} pixels of {channels} bytes do not fit the {} bytes given",
            pixels.len()
        );
        Self {
            width,
            height,
            channels,
            pixels,
        }
    }

    /// In pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// In pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All pictures in one, row by row in `columns` columns with 2 pixels of mid grey around each. Smaller ones stand
    /// in the middle of their place; one in colour makes all of it colour.
    ///
    /// ```
    /// use eras_report::Picture;
    ///
    /// let digits = vec![Picture::grey(28, 28, vec![0; 784]); 64];
    /// let grid = Picture::grid(&digits, 8);
    /// assert_eq!((grid.width(), grid.height()), (8 * 30 + 2, 8 * 30 + 2));
    /// ```
    ///
    /// # Panics
    /// If there are no pictures, or no columns.
    #[must_use]
    #[track_caller]
    pub fn grid(pictures: &[Self], columns: usize) -> Self {
        Self::grid_on(128, pictures, columns)
    }

    /// As [`grid`](Self::grid), with this grey around each: white around those in which mid grey means something.
    ///
    /// # Panics
    /// As [`grid`](Self::grid).
    #[must_use]
    #[track_caller]
    pub fn grid_on(around: u8, pictures: &[Self], columns: usize) -> Self {
        const GAP: usize = 2;
        assert!(!pictures.is_empty(), "grid: no pictures");
        assert!(columns > 0, "grid: no columns");
        let largest = |side: fn(&Self) -> usize| pictures.iter().map(side).max().unwrap_or(1);
        let (cell_width, cell_height, channels) = (
            largest(|p| p.width),
            largest(|p| p.height),
            largest(|p| p.channels),
        );
        let columns = columns.min(pictures.len());
        let width = columns * (cell_width + GAP) + GAP;
        let height = pictures.len().div_ceil(columns) * (cell_height + GAP) + GAP;
        let mut pixels = vec![around; width * height * channels];
        for (i, picture) in pictures.iter().enumerate() {
            let left = GAP + (i % columns) * (cell_width + GAP) + (cell_width - picture.width) / 2;
            let top =
                GAP + (i / columns) * (cell_height + GAP) + (cell_height - picture.height) / 2;
            for (y, row) in picture
                .pixels
                .chunks_exact(picture.width * picture.channels)
                .enumerate()
            {
                let from = ((top + y) * width + left) * channels;
                let into = &mut pixels[from..][..picture.width * channels];
                if picture.channels == channels {
                    into.copy_from_slice(row);
                } else {
                    into.chunks_exact_mut(channels)
                        .zip(row)
                        .for_each(|(pixel, &grey)| pixel.fill(grey));
                }
            }
        }
        Self::new(width, height, channels, pixels)
    }

    /// The picture in grey, in orange where `map` is high: what of it mattered. The map, `(rows, columns)`, is stretched
    /// over the picture; its largest number has the strongest colour, and what is not above 0 has none.
    ///
    /// ```
    /// use eras_report::Picture;
    ///
    /// let picture = Picture::grey(4, 4, vec![100; 16]);
    /// let seen = picture.tinted(&[0.0, 1.0, 0.0, 0.0], [2, 2]);
    /// assert_eq!(seen.pixels()[..3], [100, 100, 100]);
    /// assert_eq!(seen.pixels()[9..12], [191, 98, 31]);
    /// ```
    ///
    /// # Panics
    /// If the map has not as many numbers as places, or none.
    #[must_use]
    #[track_caller]
    pub fn tinted(&self, map: &[f32], [rows, columns]: [usize; 2]) -> Self {
        /// It stands out from grey for every eye.
        const ORANGE: [f32; 3] = [230.0, 97.0, 1.0];
        /// The most of a pixel that the colour covers.
        const MOST: f32 = 0.7;
        assert!(
            map.len() == rows * columns && !map.is_empty(),
            "tinted: found {} numbers for {rows} by {columns} places",
            map.len()
        );
        let highest = map.iter().copied().fold(0.0, f32::max);
        let value = |row: usize, column: usize| map[row * columns + column].max(0.0);
        // The place of a pixel's middle between the middles of the map's places.
        let between = |i: usize, from: usize, to: usize| {
            let place =
                ((i as f32 + 0.5) * to as f32 / from as f32 - 0.5).clamp(0.0, to as f32 - 1.0);
            let low = place as usize;
            (low, (low + 1).min(to - 1), place - low as f32)
        };
        let mut pixels = Vec::with_capacity(3 * self.width * self.height);
        for y in 0..self.height {
            let (top, bottom, down) = between(y, self.height, rows);
            for x in 0..self.width {
                let (left, right, across) = between(x, self.width, columns);
                let row =
                    |row: usize| value(row, left) * (1.0 - across) + value(row, right) * across;
                let high = row(top) * (1.0 - down) + row(bottom) * down;
                let share = if highest > 0.0 {
                    MOST * high / highest
                } else {
                    0.0
                };
                let grey = self.brightness(y * self.width + x);
                pixels.extend(ORANGE.map(|c| (grey * (1.0 - share) + c * share).round() as u8));
            }
        }
        Self::rgb(self.width, self.height, pixels)
    }

    /// How bright a pixel is: of three channels as ITU-R BT.601 weighs them.
    fn brightness(&self, pixel: usize) -> f32 {
        match self.pixels[pixel * self.channels..][..self.channels] {
            [r, g, b] => 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b),
            _ => f32::from(self.pixels[pixel]),
        }
    }

    /// The picture as a PNG file.
    ///
    /// # Panics
    /// Never: an encoder that writes to memory cannot fail, and the sizes were checked.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        encode(std::slice::from_ref(self), None)
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// If the file cannot be written; the message names it.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        write(path.as_ref(), &self.png())
    }

    /// The picture as a `data:` URI, to stand in a page.
    pub(crate) fn data_uri(&self) -> String {
        data_uri(&self.png())
    }

    /// One byte or three.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// The same in three channels.
    pub(crate) fn in_colour(self) -> Self {
        match self.channels {
            1 => Self {
                channels: 3,
                pixels: self.pixels.into_iter().flat_map(|grey| [grey; 3]).collect(),
                ..self
            },
            _ => self,
        }
    }
}

/// Pictures of one size and one number of channels as a PNG file. With a delay in milliseconds they are frames that
/// follow one another, again and again.
pub(crate) fn encode(frames: &[Picture], delay: Option<u16>) -> Vec<u8> {
    let first = &frames[0];
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, first.width as u32, first.height as u32);
    encoder.set_color(if first.channels == 1 {
        png::ColorType::Grayscale
    } else {
        png::ColorType::Rgb
    });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    if let Some(delay) = delay {
        encoder
            .set_animated(frames.len() as u32, 0)
            .expect("there is a frame");
        encoder
            .set_frame_delay(delay, 1000)
            .expect("it is animated");
    }
    let mut writer = encoder.write_header().expect("memory takes all");
    for frame in frames {
        writer
            .write_image_data(&frame.pixels)
            .expect("the sizes fit");
    }
    writer.finish().expect("memory takes all");
    bytes
}

/// Writes a file; the error names it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot write `{}`: {e}", path.display())))
}

/// A PNG file as a `data:` URI.
pub(crate) fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// Standard base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { digit as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(png: &[u8]) -> Picture {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        Picture::new(
            info.width as usize,
            info.height as usize,
            info.color_type.samples(),
            pixels,
        )
    }

    #[test]
    fn a_png_holds_what_was_put_in() {
        let grey = Picture::grey(5, 3, (0..15).map(|i| i * 17).collect());
        let colour = Picture::rgb(2, 2, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3]);
        for picture in [grey, colour, Picture::grey(1, 1, vec![7])] {
            assert_eq!(decode(&picture.png()), picture);
        }
    }

    #[test]
    fn a_grid_puts_each_picture_in_its_place() {
        let pictures = [
            Picture::grey(1, 1, vec![10]),
            Picture::grey(1, 1, vec![20]),
            Picture::grey(1, 1, vec![30]),
        ];
        let grid = Picture::grid(&pictures, 2);
        assert_eq!((grid.width, grid.height, grid.channels), (8, 8, 1));
        let at = |x: usize, y: usize| grid.pixels[y * 8 + x];
        assert_eq!(
            [at(2, 2), at(5, 2), at(2, 5), at(5, 5), at(0, 0)],
            [10, 20, 30, 128, 128]
        );
        let grid = Picture::grid_on(255, &pictures, 2);
        assert_eq!([grid.pixels[0], grid.pixels[2 * 8 + 2]], [255, 10]);
    }

    #[test]
    fn a_map_is_stretched_over_the_picture_and_its_highest_place_is_the_strongest() {
        let picture = Picture::rgb(8, 4, [10, 200, 60].repeat(32));
        let grey = (0.299_f32 * 10.0 + 0.587 * 200.0 + 0.114 * 60.0).round() as u8;
        let seen = picture.tinted(&[0.0, 5.0], [1, 2]);
        assert_eq!((seen.width, seen.height, seen.channels), (8, 4, 3));
        let row = |y: usize| -> Vec<u8> { (0..8).map(|x| seen.pixels[3 * (8 * y + x)]).collect() };
        // Red rises from the grey of the picture to most of orange's, and all rows are alike.
        assert!(row(0).is_sorted() && row(3) == row(0), "{:?}", row(0));
        assert_eq!(row(0)[0], grey);
        assert_eq!(row(0)[7], (0.3 * 127.23 + 0.7 * 230.0_f32).round() as u8);
        // Only what is above 0 counts, in any unit.
        let zeros = picture.tinted(&[0.0, -3.0], [1, 2]);
        assert!(zeros.pixels.iter().all(|p| *p == grey));
        assert_eq!(picture.tinted(&[-1.0, 1e-9], [1, 2]), seen);
    }

    #[test]
    #[should_panic(expected = "tinted: found 3 numbers for 2 by 2 places")]
    fn a_map_has_a_number_for_each_place() {
        let _ = Picture::grey(1, 1, vec![0]).tinted(&[0.0; 3], [2, 2]);
    }

    #[test]
    fn grey_and_colour_of_different_sizes_share_a_grid() {
        let pictures = [
            Picture::grey(1, 1, vec![9]),
            Picture::rgb(3, 3, vec![200; 27]),
        ];
        let grid = Picture::grid(&pictures, 9);
        assert_eq!((grid.width, grid.height, grid.channels), (12, 7, 3));
        // Room 3 by 3 from (2, 2): the single pixel stands in its middle, (3, 3).
        assert_eq!(grid.pixels[(3 * 12 + 3) * 3..][..3], [9, 9, 9]);
        assert_eq!(decode(&grid.png()), grid);
    }

    #[test]
    fn base64_follows_the_vectors_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = Picture::grey(1, 1, vec![0])
            .save("/nowhere/at/all.png")
            .expect_err("no such folder");
        assert!(
            error
                .to_string()
                .starts_with("cannot write `/nowhere/at/all.png`: "),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "picture: 2 by 2 pixels of 3 bytes do not fit the 4 bytes given")]
    fn pixels_that_do_not_fill_the_picture_are_refused() {
        let _ = Picture::rgb(2, 2, vec![0; 4]);
    }

    #[test]
    #[should_panic(expected = "picture: cannot be 0 by 5 pixels")]
    fn a_picture_has_pixels() {
        let _ = Picture::grey(0, 5, vec![]);
    }
}
