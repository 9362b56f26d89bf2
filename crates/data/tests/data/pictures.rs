//! Pictures and folders of pictures, good and bad.

use std::io::Cursor;

use eras_data::{Color, Dataset, FolderParts, ImageFolder, Loader, Picture};
use image::codecs::jpeg::JpegEncoder;
use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageEncoder, ImageFormat, Luma, Rgb, RgbImage, RgbaImage,
};

use crate::common::{Folder, never_panics, panic_of};

const FORMATS: [ImageFormat; 4] = [
    ImageFormat::Png,
    ImageFormat::Bmp,
    ImageFormat::WebP,
    ImageFormat::Jpeg,
];

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Colors that differ everywhere.
fn colors(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(40 * x + y) as u8, (60 * y + 7) as u8, (11 * x * y) as u8])
    })
}

fn png(gray: u8) -> Vec<u8> {
    encode(GrayImage::from_pixel(3, 2, Luma([gray])), ImageFormat::Png)
}

/// A file whose beginning is a picture's, and whose pixels are damaged.
fn damaged() -> Vec<u8> {
    let mut file = encode(colors(16, 16), ImageFormat::Png);
    let middle = file.len() / 2;
    file[middle] ^= 0xff;
    file
}

fn rgb(file: &[u8]) -> Picture {
    Picture::from_bytes("x", file, None, Color::Rgb).unwrap()
}

fn gray(file: &[u8]) -> Vec<u8> {
    Picture::from_bytes("x", file, None, Color::Gray)
        .unwrap()
        .pixels
}

fn error(file: &[u8]) -> String {
    Picture::from_bytes("some/x.png", file, None, Color::Rgb)
        .unwrap_err()
        .to_string()
}

#[test]
fn every_format_is_told_by_its_contents() {
    let image = colors(5, 3);
    let planes: Vec<u8> = (0..3)
        .flat_map(|c| image.pixels().map(move |pixel| pixel.0[c]))
        .collect();
    let folder = Folder::new();
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
        let path = folder.file("x.jpg", encode(image.clone(), format));
        let picture = Picture::read(&path, None, Color::Rgb).unwrap();
        assert_eq!((picture.shape, &picture.pixels), ([3, 3, 5], &planes));
        Picture::check(&path).unwrap();
    }
    // JPEG loses a little, even of one color.
    let flat = RgbImage::from_pixel(20, 10, Rgb([200, 100, 50]));
    let picture = rgb(&encode(flat, ImageFormat::Jpeg));
    assert_eq!(picture.shape, [3, 10, 20]);
    for (plane, color) in picture.pixels.chunks(200).zip([200_u8, 100, 50]) {
        assert!(plane.iter().all(|pixel| pixel.abs_diff(color) <= 3));
    }
}

#[test]
fn gray_is_brightness_and_gray_pictures_have_three_equal_planes() {
    let image = RgbImage::from_vec(4, 1, vec![255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
    // 255 times 0.2126, 0.7152, 0.0722, rounded down.
    assert_eq!(
        gray(&encode(image.unwrap(), ImageFormat::Png)),
        [255, 54, 182, 18]
    );
    let picture = rgb(&png(77));
    assert_eq!((picture.shape, picture.pixels), ([3, 2, 3], vec![77; 18]));
    assert_eq!(gray(&png(77)), [77; 6]);
}

#[test]
fn pictures_of_16_bits_keep_the_upper_eight() {
    let values = vec![0_u16, 257, 0x8080, 65535];
    let image: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_vec(4, 1, values).unwrap();
    assert_eq!(gray(&encode(image, ImageFormat::Png)), [0, 1, 128, 255]);
}

#[test]
fn what_is_transparent_shows_white() {
    let pixels = vec![9, 9, 9, 0, 9, 9, 9, 255, 0, 0, 0, 51];
    let image = RgbaImage::from_vec(3, 1, pixels).unwrap();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(gray(&encode(image.clone(), format)), [255, 9, 204]);
    }
}

/// A JPEG of `image` that says by EXIF how the camera was held.
fn photograph(image: &GrayImage, orientation: u8) -> Vec<u8> {
    // TIFF, little-endian: one entry, the tag 0x112, a u16.
    let exif = [
        &b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..],
        &[orientation, 0, 0, 0],
        &[0; 4],
    ];
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 100);
    encoder.set_exif_metadata(exif.concat()).unwrap();
    encoder.encode_image(image).unwrap();
    file
}

#[test]
fn a_photograph_stands_upright_however_the_camera_was_held() {
    const W: u32 = 32;
    const H: u32 = 16;
    let upright = |x: u32, y: u32| Luma([80 * u8::from(x >= W / 2) + 160 * u8::from(y >= H / 2)]);
    let wanted = GrayImage::from_fn(W, H, upright).into_raw();
    for orientation in 1..=8 {
        // EXIF 2.32, 4.6.4: the sides of the scene at which row 0 and column 0 of the file lie.
        let pixel = |c: u32, r: u32| match orientation {
            1 => upright(c, r),                 // top, left
            2 => upright(W - 1 - c, r),         // top, right
            3 => upright(W - 1 - c, H - 1 - r), // bottom, right
            4 => upright(c, H - 1 - r),         // bottom, left
            5 => upright(r, c),                 // left, top
            6 => upright(W - 1 - r, c),         // right, top
            7 => upright(W - 1 - r, H - 1 - c), // right, bottom
            _ => upright(r, H - 1 - c),         // left, bottom
        };
        let (width, height) = if orientation < 5 { (W, H) } else { (H, W) };
        let file = photograph(&GrayImage::from_fn(width, height, pixel), orientation);
        let picture = Picture::from_bytes("x", &file, None, Color::Gray).unwrap();
        assert_eq!(picture.shape, [1, 16, 32], "orientation {orientation}");
        let close = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 3;
        assert!(
            picture.pixels.iter().zip(&wanted).all(close),
            "orientation {orientation}"
        );
    }
    // What means nothing changes nothing.
    let file = photograph(&GrayImage::from_fn(W, H, upright), 9);
    assert_eq!(rgb(&file).shape, [3, 16, 32]);
}

#[test]
fn another_size_is_scaled_smoothly() {
    let half = GrayImage::from_fn(40, 20, |x, _| Luma([if x < 20 { 0 } else { 240 }]));
    let file = encode(half, ImageFormat::Png);
    let sized = |size| Picture::from_bytes("x", &file, Some(size), Color::Gray).unwrap();
    assert_eq!(sized([20, 40]).pixels, gray(&file));
    let small = sized([1, 5]);
    assert_eq!(small.shape, [1, 1, 5]);
    let row = small.pixels;
    assert!(
        row.is_sorted() && row[0] < 10 && row[2] == 120 && row[4] > 230,
        "{row:?}"
    );
    assert_eq!(sized([50, 7]).shape, [1, 50, 7]);
    let flat = Picture::from_bytes("x", &png(9), Some([31, 17]), Color::Rgb).unwrap();
    assert_eq!(
        (flat.shape, flat.pixels),
        ([3, 31, 17], vec![9; 3 * 31 * 17])
    );
}

#[test]
fn a_size_of_nothing_or_too_much_panics() {
    for size in [[0, 5], [5, 0], [5, 16_385]] {
        let wanted =
            format!("picture size (height, width): found {size:?}, wanted 1 to 16384 each way");
        let read = || Picture::from_bytes("x", &png(1), Some(size), Color::Gray);
        assert_eq!(panic_of(read), wanted);
        assert_eq!(
            panic_of(|| ImageFolder::open("/", size, Color::Gray)),
            wanted
        );
    }
}

#[test]
fn what_is_no_picture_is_an_error_that_names_the_file() {
    for file in [
        &b""[..],
        b"hello",
        b"GIF89a\x01\0\x01\0\0\0\0",
        &[0xff; 100],
    ] {
        let error = error(file);
        assert!(
            error.starts_with("`some/x.png`: is not a readable picture: "),
            "{error}"
        );
    }
    let missing = Picture::read("/no/such/x.png", None, Color::Gray).unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("/no/such/x.png"));
    let folder = Folder::new();
    let error = Picture::check(folder.path()).unwrap_err().to_string();
    assert!(error.contains("wanted a picture"), "{error}");
}

#[test]
fn a_jpeg_that_was_cut_off_is_an_error_wherever_it_was() {
    let mut file = photograph(
        &GrayImage::from_fn(40, 30, |x, y| Luma([((5 * x) ^ (9 * y)) as u8])),
        6,
    );
    for length in 4..file.len() {
        error(&file[..length]);
    }
    let cut = error(&file[..file.len() * 2 / 3]);
    assert!(cut.contains("the file is cut off"), "{cut}");
    // What a camera puts behind the end is no part of the picture.
    let whole = gray(&file);
    file.extend([0, 0xff, 0x00, 7]);
    assert_eq!(gray(&file), whole);
}

#[test]
fn a_file_that_was_cut_off_is_an_error_or_a_picture_of_its_size() {
    for format in FORMATS {
        let file = encode(colors(16, 12), format);
        assert_eq!(rgb(&file).shape, [3, 12, 16]);
        for length in 0..file.len() {
            match Picture::from_bytes("x", &file[..length], None, Color::Rgb) {
                // What follows the pixels may be missing.
                Ok(picture) => assert_eq!(picture.shape, [3, 12, 16]),
                Err(e) => assert!(e.to_string().starts_with("`x`: "), "{e}"),
            }
            assert!(
                length > 30 || Picture::from_bytes("x", &file[..length], None, Color::Rgb).is_err()
            );
        }
    }
    assert!(error(&damaged()).starts_with("`some/x.png`: is not a readable picture: "));
}

/// `file` with another size announced in its header.
fn announcing(mut file: Vec<u8>, format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    match format {
        ImageFormat::Png => {
            file[16..20].copy_from_slice(&width.to_be_bytes());
            file[20..24].copy_from_slice(&height.to_be_bytes());
            let mut check_sum = flate2::Crc::new();
            check_sum.update(&file[12..29]);
            file[29..33].copy_from_slice(&check_sum.sum().to_be_bytes());
        }
        ImageFormat::Bmp => {
            file[18..22].copy_from_slice(&width.to_le_bytes());
            file[22..26].copy_from_slice(&height.to_le_bytes());
        }
        ImageFormat::WebP => {
            let alpha_and_version = u32::from(file[24] >> 4) << 28;
            let sizes = (width - 1) | (height - 1) << 14 | alpha_and_version;
            file[21..25].copy_from_slice(&sizes.to_le_bytes());
        }
        _ => {
            let frame = file
                .windows(2)
                .position(|marker| marker == [0xff, 0xc0])
                .unwrap();
            file[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
            file[frame + 7..frame + 9].copy_from_slice(&(width as u16).to_be_bytes());
        }
    }
    file
}

#[test]
fn a_header_that_announces_too_much_is_refused_before_there_is_room_for_it() {
    for format in FORMATS {
        let file = encode(colors(16, 12), format);
        let again = announcing(file.clone(), format, 16, 12);
        assert_eq!(again, file, "{format:?}");
        let error = error(&announcing(file.clone(), format, 16_383, 16_383));
        let length = file.len();
        assert_eq!(
            error,
            format!(
                "`some/x.png`: announces 16383 x 16383 pixels, which is not believed of a file of {length} bytes"
            ),
            "{format:?}"
        );
    }
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Jpeg] {
        for (width, height) in [(65_000, 1), (1, 65_000)] {
            let file = announcing(encode(colors(16, 12), format), format, width, height);
            let error = error(&file);
            assert!(error.contains("is not a readable picture"), "{error}");
        }
    }
    for (width, height) in [(u32::MAX, u32::MAX), (0, 5), (5, 0), (1 << 31, 1)] {
        for format in [ImageFormat::Png, ImageFormat::Bmp] {
            let file = announcing(encode(colors(16, 12), format), format, width, height);
            assert!(error(&file).starts_with("`some/x.png`: "));
        }
    }
}

#[test]
fn random_files_never_panic() {
    let mut seeds: Vec<Vec<u8>> = FORMATS
        .iter()
        .map(|&format| encode(colors(9, 7), format))
        .collect();
    seeds.push(png(100));
    seeds.push(encode(
        RgbaImage::from_fn(5, 5, |x, y| image::Rgba([x as u8, 0, 9, (50 * y) as u8])),
        ImageFormat::WebP,
    ));
    let colors = [Color::Gray, Color::Rgb];
    never_panics(&seeds, 10_000, |i, input| {
        let size = (i % 4 == 0).then_some([3, 4]);
        let _ = Picture::from_bytes("x", input, size, colors[i % 2]);
    });
}

/// Two cats, three dogs, and what lies around.
fn animals() -> Folder {
    let folder = Folder::new();
    folder.file("dog/b.png", png(20));
    folder.file("dog/a.PNG", png(10));
    folder.file("dog/more/deep/c.png", png(30));
    folder.file("cat/2.png", png(50));
    folder.file("cat/1.png", png(40));
    folder.file("cat/notes.txt", "x");
    folder.file("cat/.hidden.png", "x");
    folder.file(".git/x.png", "x");
    folder.file("readme.png", "x");
    folder
}

fn open(folder: &Folder) -> Result<ImageFolder, String> {
    ImageFolder::open(folder.path(), [2, 3], Color::Gray).map_err(|e| e.to_string())
}

#[test]
fn folders_are_classes_in_the_order_of_their_names() {
    let folder = animals();
    let animals = open(&folder).unwrap();
    assert_eq!(animals.classes(), ["cat", "dog"]);
    assert_eq!(animals.len(), 5);
    assert!(animals.skipped().is_empty());
    let paths: Vec<_> = animals
        .paths()
        .map(|path| path.strip_prefix(folder.path()).unwrap())
        .collect();
    let wanted = [
        "cat/1.png",
        "cat/2.png",
        "dog/a.PNG",
        "dog/b.png",
        "dog/more/deep/c.png",
    ];
    assert_eq!(paths, wanted.map(std::path::Path::new));

    let batch = animals.batch(&[4, 0]).unwrap();
    assert_eq!(batch.x.shape(), [2, 1, 2, 3]);
    let pixels = [[30.0 / 255.0; 6], [40.0_f32 / 255.0; 6]].concat();
    assert_eq!(batch.x.to_vec::<f32>(), pixels);
    assert_eq!(batch.y.to_vec::<i64>(), [1, 0]);
    let flat = animals.flat().batch(&[4, 0]).unwrap();
    assert_eq!(
        (flat.x.shape(), flat.x.to_vec::<f32>()),
        (&[2, 6][..], batch.x.to_vec())
    );
    assert_eq!(
        animals
            .flat()
            .load()
            .unwrap()
            .batch(&[0])
            .unwrap()
            .x
            .shape(),
        [1, 6]
    );
    assert_eq!(
        panic_of(|| animals.batch(&[5])),
        "ImageFolder: sample 5 of a set of 5"
    );
}

#[test]
fn another_file_size_or_color_is_another_set() {
    let (folder, copy) = (animals(), animals());
    let print = |folder: &Folder, size| {
        let set = ImageFolder::open(folder.path(), size, Color::Gray).unwrap();
        set.fingerprint().unwrap()
    };
    let before = print(&folder, [2, 3]);
    assert_eq!(print(&copy, [2, 3]), before); // wherever it lies
    assert_ne!(print(&folder, [3, 2]), before);
    folder.file("cat/3.png", png(60));
    assert_ne!(print(&folder, [2, 3]), before);
}

#[test]
fn loaded_pictures_and_those_that_are_read_each_time_are_the_same() {
    let folder = animals();
    let animals = ImageFolder::open(folder.path(), [4, 5], Color::Rgb).unwrap();
    let loaded = animals.load().unwrap();
    assert_eq!((loaded.shape(), animals.shape()), ([3, 4, 5], [3, 4, 5]));
    assert_eq!(loaded.classes(), animals.classes());
    let all = |data: &dyn Dataset, workers| -> Vec<_> {
        Loader::new(data, 2)
            .shuffle(1)
            .workers(workers)
            .map(|batch| (batch.x.to_vec::<f32>(), batch.y.to_vec::<i64>()))
            .collect()
    };
    let wanted = all(&loaded, 0);
    assert_eq!(wanted.len(), 3);
    for workers in [0, 1, 4] {
        assert_eq!(all(&animals, workers), wanted);
    }
}

#[test]
fn files_that_are_no_pictures_are_left_out_and_listed() {
    let folder = animals();
    let text = folder.file("cat/0.png", "no picture");
    let empty = folder.file("dog/z.jpeg", "");
    let damaged = folder.file("dog/aa.png", damaged());
    let animals = open(&folder).unwrap();
    assert_eq!(animals.len(), 6); // the damaged one looks well at its beginning
    let skipped = || -> Vec<_> {
        animals
            .skipped()
            .into_iter()
            .map(|file| file.path)
            .collect()
    };
    assert_eq!(skipped(), [text.clone(), empty.clone()]);
    for file in animals.skipped() {
        let path = format!("`{}`: is not a readable picture", file.path.display());
        assert!(file.reason.starts_with(&path), "{}", file.reason);
    }

    let batch = animals.batch(&[0, 1, 2, 3, 4, 5]).unwrap();
    assert_eq!(batch.y.to_vec::<i64>(), [0, 0, 1, 1, 1]);
    assert_eq!(batch.x.shape(), [5, 1, 2, 3]);
    assert_eq!(skipped(), [text, damaged, empty]);
    let loaded = animals.load().unwrap();
    assert_eq!(loaded.labels(), [0, 0, 1, 1, 1]);
    assert_eq!(animals.skipped().len(), 3); // each once

    // Alone in its batch the damaged one leaves nothing, which is no reason to stop.
    assert_eq!(animals.batch(&[3]).unwrap().x.shape(), [0, 1, 2, 3]);
    for workers in [0, 2] {
        let mut loader = Loader::new(&animals, 1).workers(workers);
        assert_eq!((&mut loader).count(), 5);
        assert_eq!(loader.position().epoch, 1);
    }
}

#[test]
fn pictures_of_other_kinds_are_listed_and_what_is_none_is_not() {
    let folder = animals();
    let other = folder.file("dog/x.GIF", "GIF89a");
    folder.file("dog/notes.txt", "a dog");
    let flat = RgbImage::from_pixel(3, 2, Rgb([9, 9, 9]));
    folder.file("cat/y.jfif", encode(flat, ImageFormat::Jpeg));
    let before = open(&animals()).unwrap().len();
    let animals = open(&folder).unwrap();
    assert_eq!(animals.len(), before + 1);
    let [skipped] = &animals.skipped()[..] else {
        panic!("wanted one");
    };
    assert_eq!(skipped.path, other);
    assert!(
        skipped
            .reason
            .contains("pictures of this kind are not read")
    );
}

#[test]
fn folders_without_pictures_are_errors() {
    let missing = ImageFolder::open("/no/such/folder", [2, 2], Color::Gray).unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("/no/such/folder"));
    let folder = Folder::new();
    let root = folder.path().display();
    folder.file(".hidden/x.png", png(1));
    assert_eq!(
        open(&folder).unwrap_err(),
        format!("`{root}`: found no folders in this folder, wanted one for each class")
    );
    folder.file("x.png", png(1));
    folder.file("y.JPG", png(1));
    folder.file("notes.txt", "x");
    let but = "but 2 pictures, wanted one for each class";
    assert_eq!(
        open(&folder).unwrap_err(),
        format!("`{root}`: found no folders in this folder {but}")
    );
    folder.file("cat/x.txt", "x");
    assert_eq!(
        open(&folder).unwrap_err(),
        format!("`{root}/cat`: found no pictures (bmp, jfif, jpeg, jpg, png, webp) for this class")
    );
    folder.file("cat/x.png", "x");
    folder.file("cat/y.png", "y");
    let error = open(&folder).unwrap_err();
    let wanted =
        format!("`{root}/cat`: none of 2 pictures is readable; the first: `{root}/cat/x.png`");
    assert!(error.starts_with(&wanted), "{error}");
    // The pictures of other classes do not make up for it.
    folder.file("ant/x.png", png(1));
    assert_eq!(open(&folder).unwrap_err(), error);
    folder.file("cat/z.png", png(1));
    assert_eq!(open(&folder).unwrap().len(), 2);
}

#[test]
fn pictures_that_all_turn_out_damaged_are_an_error_in_the_end() {
    let folder = Folder::new();
    folder.file("cat/1.png", damaged());
    folder.file("cat/2.png", damaged());
    let cats = open(&folder).unwrap();
    assert_eq!(cats.batch(&[0]).unwrap().y.shape(), [0]);
    let error = cats.batch(&[1]).unwrap_err().to_string();
    assert!(error.contains("none of 2 pictures is readable"), "{error}");
    let error = open(&folder).unwrap().load().unwrap_err().to_string();
    assert!(error.contains("none of 2 pictures is readable"), "{error}");
    let mut loader = Loader::new(open(&folder).unwrap(), 1).workers(2);
    let error = loader.next_batch().unwrap_err().to_string();
    assert!(error.contains("none of 2 pictures is readable"), "{error}");
}

/// The paths of a part of a folder, from its root.
fn paths(part: &eras_data::Subset<ImageFolder>) -> Vec<String> {
    let root = part.whole().paths().map(|path| path.display().to_string());
    let all: Vec<String> = root.collect();
    part.indices().iter().map(|&i| all[i].clone()).collect()
}

#[test]
fn a_folder_without_a_test_set_is_split_by_class_and_seed() {
    let folder = Folder::new();
    for i in 0..20 {
        folder.file(&format!("cat/{i:02}.png"), png(i));
        folder.file(&format!("dog/{i:02}.png"), png(i));
    }
    for i in 0..80 {
        folder.file(&format!("emu/{i:02}.png"), png(i));
    }
    let split =
        |seed| ImageFolder::train_and_test(folder.path(), [2, 2], Color::Gray, 0.2, seed).unwrap();
    let [train, test] = split(0);
    let counts = |part: &eras_data::Subset<ImageFolder>| {
        let labels = part.whole().labels();
        let of_part: Vec<i64> = part.indices().iter().map(|&i| labels[i]).collect();
        eras_data::class_counts(&of_part, 3)
    };
    assert_eq!(
        (counts(&train), counts(&test)),
        (vec![16, 16, 64], vec![4, 4, 16])
    );
    assert!(
        paths(&test)
            .iter()
            .all(|path| !paths(&train).contains(path))
    );
    let again = split(0).map(|part| paths(&part));
    assert_eq!(again, [paths(&train), paths(&test)]);
    assert_ne!(paths(&split(1)[1]), paths(&test));

    // With a folder to test with, that is it.
    for (name, test) in [("validation", 3), ("test", 2)] {
        for i in 0..test {
            folder.file(&format!("split/{name}/cat/{i}.png"), png(i));
            folder.file(&format!("split/train/cat/{i}.png"), png(i));
        }
    }
    let root = folder.path().join("split");
    let open = || ImageFolder::train_and_test(&root, [2, 2], Color::Gray, 0.2, 0);
    let [train, test] = open().unwrap();
    assert_eq!((train.len(), test.len()), (3, 2));
    folder.file("split/test/dog/1.png", png(1));
    let error = open().unwrap_err().to_string();
    assert!(
        error.contains(
            "found the classes [\"cat\"] to train on and [\"cat\", \"dog\"] to test with"
        ),
        "{error}"
    );
}

#[test]
fn parts_of_a_folder_are_known_by_their_names_in_any_case() {
    // The parts; which is trained on and which is tested with; which are not used.
    let cases: [(&[&str], &[&str], &[&str]); 10] = [
        (&["train", "test"], &["train", "test"], &[]),
        (&["Training", "Testing"], &["Training", "Testing"], &[]),
        (&["TRAIN", "Val"], &["TRAIN", "Val"], &[]),
        (&["train", "valid"], &["train", "valid"], &[]),
        (&["train"], &["train"], &[]),
        (&["training"], &["training"], &[]),
        (&["train", "val", "test"], &["train", "test"], &["val"]),
        (&["more", "train", "test"], &["train", "test"], &["more"]),
        // Classes that happen to be called so.
        (&["car", "train"], &[], &[]),
        (&["control", "test"], &[], &[]),
    ];
    for (folders, used, unused) in cases {
        let folder = Folder::new();
        let root = folder.path();
        for name in folders {
            for i in 0..5 {
                folder.file(&format!("{name}/cat/{i}.png"), png(i));
                folder.file(&format!("{name}/dog/{i}.png"), png(i));
            }
        }
        let [train, test] = ImageFolder::train_and_test(root, [2, 2], Color::Gray, 0.2, 0).unwrap();
        let parts = FolderParts::find(root).unwrap();
        let Some(parts) = parts else {
            assert_eq!((used, train.classes().len()), (&[][..], folders.len()));
            continue;
        };
        assert_eq!(train.classes(), ["cat", "dog"], "{folders:?}");
        assert_eq!(test.classes(), train.classes());
        let split = if used.len() == 2 { [10, 10] } else { [8, 2] };
        assert_eq!([train.len(), test.len()], split, "{folders:?}");
        let found: Vec<_> = [parts.train].into_iter().chain(parts.test).collect();
        let paths = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<Vec<_>>();
        assert_eq!((found, parts.unused), (paths(used), paths(unused)));
    }
}

#[test]
fn parts_of_a_folder_that_are_two_of_a_kind_or_lack_a_training_set_are_errors() {
    for (names, wanted) in [
        (
            ["train/a", "training/a"],
            "found the folders `train` and `training`, wanted one of the two",
        ),
        (
            ["val/a", "valid/a"],
            "found the folders `val` and `valid`, wanted one of the two",
        ),
        (
            ["Test/a", "val/a"],
            "found the folder `Test` to test with and none to train on, wanted `train` beside it",
        ),
    ] {
        let folder = Folder::new();
        for name in names {
            folder.file(&format!("{name}/1.png"), png(1));
        }
        let root = folder.path();
        let error = ImageFolder::train_and_test(root, [2, 2], Color::Gray, 0.2, 0).unwrap_err();
        let wanted = format!("`{}`: {wanted}", root.display());
        assert_eq!(error.to_string(), wanted);
    }
}

#[test]
fn pictures_that_are_kept_are_read_once() {
    let folder = animals();
    let animals = open(&folder).unwrap();
    animals.keep(3 * 6); // room for three of 2 x 3
    let before = animals.batch(&[0, 1, 2, 3, 4]).unwrap();
    // Kept are the first three; the others are read anew.
    for path in animals.paths() {
        std::fs::write(path, png(99)).unwrap();
    }
    let after = animals.batch(&[0, 1, 2, 3, 4]).unwrap();
    let (x, new) = (before.x.to_vec::<f32>(), after.x.to_vec::<f32>());
    assert_eq!(new[..18], x[..18]);
    assert_eq!(new[18..], [99.0 / 255.0; 12]);
    let some = animals.load_some(&[4, 0]).unwrap();
    assert_eq!(some.labels(), [1, 0]);
}

#[test]
fn what_is_readable_is_known_and_kept_before_it_is_asked_for() {
    let folder = animals();
    let damaged = folder.file("dog/aa.png", damaged());
    let animals = open(&folder).unwrap();
    animals.keep(usize::MAX);
    let all = [true, true, true, false, true, true];
    assert_eq!(animals.readable(&[0, 1, 2, 3, 4, 5]), all);
    assert_eq!(animals.readable(&[3, 0]), [false, true]);
    let skipped: Vec<_> = animals.skipped().into_iter().map(|f| f.path).collect();
    assert_eq!(skipped, [damaged]);
    for path in animals.paths() {
        std::fs::remove_file(path).unwrap();
    }
    let batch = animals.batch(&[0, 1, 2, 4, 5]).unwrap();
    assert_eq!(batch.y.to_vec::<i64>(), [0, 0, 1, 1, 1]);
    assert_eq!(
        panic_of(|| animals.readable(&[6])),
        "ImageFolder: sample 6 of a set of 6"
    );
}
