//! One picture from a PNG, JPEG, BMP or WebP file.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek, SeekFrom};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use eras_tensor::{Error, Result};

/// The longest side that is decoded.
const MAX_SIDE: u32 = 1 << 14;
/// What reading a picture may take, decoding included: this much, and so much more for each byte of the file. A few
/// hundred bytes can announce gigabytes; photographs have been seen at half a bit a pixel.
const FREE: u64 = 60 << 20;
const RATIO: u64 = 128;
/// The longest colour profile that is unpacked, beyond the length of the file.
const MAX_PROFILE: u64 = 4 << 20;

/// What the channels of a picture are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One channel: brightness, as ITU-R BT.709 weighs red, green and blue.
    Gray,
    /// Three channels: red, green, blue.
    Rgb,
}

impl Color {
    /// The number of channels.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }
}

/// A picture of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// `(C, H, W)`: one plane a channel, row by row, 0 black to 255 white.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Reads the file at `path`, in its own size or, smoothly scaled, in `size` (height, width). What is transparent
    /// shows white; a photograph stands as the camera was held (EXIF orientation).
    ///
    /// # Errors
    /// If the file cannot be read, is no picture of a known kind, is damaged, or announces a size that is out of all
    /// proportion to its length.
    ///
    /// # Panics
    /// If `size` is not between 1 and 16,384 each way.
    #[track_caller]
    pub fn read(path: impl AsRef<Path>, size: Option<[usize; 2]>, color: Color) -> Result<Self> {
        check_size(size);
        let path = path.as_ref();
        let (file, length) = open(path)?;
        Self::decode(path, Box::new(file), length, size, color)
    }

    /// Reads a file that is in memory; errors call it `name`.
    ///
    /// # Errors
    /// As [`Picture::read`].
    ///
    /// # Panics
    /// As [`Picture::read`].
    #[track_caller]
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        size: Option<[usize; 2]>,
        color: Color,
    ) -> Result<Self> {
        check_size(size);
        let length = bytes.len() as u64;
        let file = Box::new(Cursor::new(bytes));
        Self::decode(Path::new(name), file, length, size, color)
    }

    fn decode(
        path: &Path,
        mut file: Box<dyn Source + '_>,
        length: u64,
        size: Option<[usize; 2]>,
        color: Color,
    ) -> Result<Self> {
        refuse_cut_jpeg(path, &mut *file)?;
        Self::finish(path, decoder(path, file, length)?, size, color)
    }

    /// Reads a file that is in memory and shows a picture of `size` (height, width): another is refused before it is
    /// decoded.
    pub(crate) fn of_size(
        path: &Path,
        bytes: &[u8],
        size: [usize; 2],
        color: Color,
    ) -> Result<Self> {
        refuse_cut_jpeg(path, &mut Cursor::new(bytes))?;
        let decoder = decoder(path, Box::new(Cursor::new(bytes)), bytes.len() as u64)?;
        let (width, height) = decoder.dimensions();
        if [height as usize, width as usize] != size {
            let [h, w] = size;
            return Err(Error::file(
                path,
                format!("found {width} x {height} pixels, wanted {w} x {h}"),
            ));
        }
        Self::finish(path, decoder, None, color)
    }

    fn finish(
        path: &Path,
        mut decoder: impl ImageDecoder,
        size: Option<[usize; 2]>,
        color: Color,
    ) -> Result<Self> {
        let wrong = |e| unreadable(path, &e);
        let orientation = decoder.orientation().map_err(wrong)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(wrong)?;
        image.apply_orientation(orientation);
        Ok(Self::from_image(image, size, color))
    }

    /// At most 4 bytes a pixel are taken beside the image.
    fn from_image(image: DynamicImage, size: Option<[usize; 2]>, color: Color) -> Self {
        let mut image = on_white(image);
        if let Some([height, width]) = size
            && (image.height() as usize, image.width() as usize) != (height, width)
        {
            image = image.resize_exact(width as u32, height as u32, FilterType::Triangle);
        }
        let (height, width) = (image.height() as usize, image.width() as usize);
        let pixels = match (color, image) {
            (Color::Gray, image) => image.into_luma8().into_raw(),
            (Color::Rgb, image) if !image.color().has_color() => {
                image.into_luma8().into_raw().repeat(3)
            }
            (Color::Rgb, image) => {
                let mixed = image.into_rgb8().into_raw(); // (H, W, C)
                let mut planes = Vec::with_capacity(mixed.len());
                for c in 0..3 {
                    planes.extend(mixed.iter().skip(c).step_by(3));
                }
                planes
            }
        };
        Self {
            shape: [color.channels(), height, width],
            pixels,
        }
    }

    /// Looks at the beginning of the file at `path` only: whether it is a picture, and of a size that is decoded.
    ///
    /// # Errors
    /// As [`Picture::read`], for what the beginning shows.
    pub fn check(path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let (file, length) = open(path)?;
        decoder(path, Box::new(file), length).map(drop)
    }
}

/// Where a picture is read from. One type for all, so that the decoders are compiled once, here.
trait Source: BufRead + Seek {}
impl<S: BufRead + Seek> Source for S {}

/// The file at `path` and its length in bytes.
fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let io = |e| Error::io(path, &e);
    let file = File::open(path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(Error::file(
            path,
            "found something that is not a file, wanted a picture",
        ));
    }
    Ok((BufReader::new(file), meta.len()))
}

fn unreadable(path: &Path, error: &image::ImageError) -> Error {
    Error::file(path, format!("is not a readable picture: {error}"))
}

/// What decodes `file` of `length` bytes, its beginning read and its limits set.
fn decoder<'a>(
    path: &'a Path,
    mut file: Box<dyn Source + 'a>,
    length: u64,
) -> Result<impl ImageDecoder> {
    let io = |e| Error::io(path, &e);
    let animated = is_animated_webp(file.fill_buf().map_err(io)?);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(length.saturating_add(MAX_PROFILE));

    let mut reader = ImageReader::new(file).with_guessed_format().map_err(io)?;
    let format = reader.format();
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| unreadable(path, &e))?;

    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let decoded = u64::from(color.bytes_per_pixel());
    // What is there beside the pixels, in bytes for each: in their decoding, their turning or `from_image`.
    let beside = match format {
        // The coefficients of up to four components, where they come in several passes.
        Some(ImageFormat::Jpeg) => 8,
        // The canvas, the frame, and in its decoding what follows.
        Some(ImageFormat::WebP) if animated => 16,
        // The planes and the transparency.
        Some(ImageFormat::WebP) if color.has_alpha() => 8,
        _ => decoded.max(4),
    };
    let pixels = u64::from(width) * u64::from(height);
    let taken = pixels * (decoded + beside);
    let limit = length.saturating_mul(RATIO).saturating_add(FREE);
    if pixels == 0 || taken > limit {
        let found = format!("announces {width} x {height} pixels");
        return Err(Error::file(
            path,
            format!("{found}, which is not believed of a file of {length} bytes"),
        ));
    }
    Ok(decoder)
}

/// Refuses a JPEG without an end, of which the decoder would make up the rest; the file is at its beginning before and after.
fn refuse_cut_jpeg(path: &Path, file: &mut dyn Source) -> Result<()> {
    let io = |e| Error::io(path, &e);
    let has_end = has_jpeg_end(file).map_err(io)?;
    file.rewind().map_err(io)?;
    if has_end == Some(false) {
        return Err(Error::file(
            path,
            "is not a readable picture: the file is cut off, its JPEG has no end",
        ));
    }
    Ok(())
}

/// Whether a JPEG has its end; `None` for what is none.
fn has_jpeg_end(file: &mut dyn Source) -> std::io::Result<Option<bool>> {
    const MARK: u8 = 0xff;
    const START: [u8; 2] = [MARK, 0xd8];
    const END: u8 = 0xd9;
    if !file.fill_buf()?.starts_with(&START) {
        return Ok(None);
    }
    file.consume(START.len());
    let mut passed = Vec::new();
    loop {
        // What has been compressed has no mark but with a zero behind it, and those at which a decoder may begin anew.
        passed.clear();
        file.read_until(MARK, &mut passed)?;
        let mut kind = [MARK];
        while kind[0] == MARK {
            if file.read(&mut kind)? == 0 {
                return Ok(Some(false));
            }
        }
        match kind[0] {
            END => return Ok(Some(true)),
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let mut length = [0; 2];
                if file.read_exact(&mut length).is_err() {
                    return Ok(Some(false));
                }
                // The length counts itself.
                let rest = i64::from(u16::from_be_bytes(length)) - 2;
                file.seek(SeekFrom::Current(rest.max(0)))?;
            }
        }
    }
}

/// Whether a file that begins so is a WebP of several pictures.
fn is_animated_webp(head: &[u8]) -> bool {
    head.get(8..16) == Some(b"WEBPVP8X") && head.get(20).is_some_and(|flags| flags & 2 != 0)
}

/// What a person sees who looks at `image` on white paper.
fn on_white(image: DynamicImage) -> DynamicImage {
    let color = image.color();
    match (color.has_color(), color.has_alpha()) {
        (_, false) => image,
        (false, true) => {
            let mixed = image.into_luma_alpha8();
            let mut gray = GrayImage::new(mixed.width(), mixed.height());
            for (out, pixel) in gray.pixels_mut().zip(mixed.pixels()) {
                let [gray, alpha] = pixel.0;
                out.0 = [over_white(gray, alpha)];
            }
            DynamicImage::ImageLuma8(gray)
        }
        (true, true) => {
            let mixed = image.into_rgba8();
            let mut rgb = RgbImage::new(mixed.width(), mixed.height());
            for (out, pixel) in rgb.pixels_mut().zip(mixed.pixels()) {
                let [r, g, b, alpha] = pixel.0;
                out.0 = [r, g, b].map(|x| over_white(x, alpha));
            }
            DynamicImage::ImageRgb8(rgb)
        }
    }
}

/// A brightness that covers white by `alpha` of 255.
fn over_white(x: u8, alpha: u8) -> u8 {
    let (x, alpha) = (u32::from(x), u32::from(alpha));
    ((x * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Whether pictures can be scaled to `size`.
#[track_caller]
pub(crate) fn check_size(size: Option<[usize; 2]>) {
    if let Some(size) = size {
        let fits = size
            .iter()
            .all(|side| (1..=MAX_SIDE as usize).contains(side));
        assert!(
            fits,
            "picture size (height, width): found {size:?}, wanted 1 to {MAX_SIDE} each way"
        );
    }
}
