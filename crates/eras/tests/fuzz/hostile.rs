//! Files of one thing over and over: what costs a byte in the file, or less, and many in memory.

use super::check;
use eras::data::{Cifar10, Color, Picture};
use eras::formats::{Mapping, parse};
use eras::train::Snapshot;
use image::{ColorType, DynamicImage, ImageFormat};
use std::io::Cursor;
use std::path::Path;

/// How often the one thing stands in the file.
const MANY: usize = 1 << 21;

/// A file of PyTorch's older form with `program` for its object.
fn pickled(program: &[u8]) -> Vec<u8> {
    let head = &b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."[..];
    [head, program].concat()
}

/// A zip archive whose directory has `count` members, all of them the same few bytes.
fn directory(count: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..count {
        bytes.extend(0x0201_4b50_u32.to_le_bytes());
        bytes.extend([0; 24]);
        bytes.extend([8, 0, 0, 0, 0, 0]); // the length of the name; no extra field, no comment
        bytes.extend([0; 12]);
        bytes.extend(format!("{i:08x}").bytes());
    }
    let length = bytes.len() as u64;
    let mut end = 0x0606_4b50_u32.to_le_bytes().to_vec();
    end.extend(44_u64.to_le_bytes());
    end.extend([0; 12]);
    for field in [u64::from(count), u64::from(count), length, 0] {
        end.extend(field.to_le_bytes());
    }
    end.extend(0x0706_4b50_u32.to_le_bytes());
    end.extend(0_u32.to_le_bytes());
    end.extend(length.to_le_bytes());
    end.extend(1_u32.to_le_bytes());
    end.extend(0x0605_4b50_u32.to_le_bytes());
    end.extend([0; 18]);
    bytes.extend(end);
    bytes
}

fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
}

#[test]
fn weights_of_one_thing_over_and_over() {
    let memo: Vec<u8> = (0..MANY as u32)
        .flat_map(|i| [&b"Nr"[..], &i.to_le_bytes()].concat())
        .collect();
    let pairs: Vec<String> = (0..MANY / 4).map(|i| format!("\"{i}\":\"\"")).collect();
    let entry = |i| format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    let entries: Vec<String> = (0..MANY / 16).map(entry).collect();
    let files = [
        ("nothings", pickled(&b"N".repeat(MANY))),
        ("lists", pickled(&b"]".repeat(MANY))),
        ("marks", pickled(&b"(".repeat(MANY))),
        (
            "a list",
            pickled(&[b"(", &b"N".repeat(MANY)[..], b"l."].concat()),
        ),
        (
            "lists in a list",
            pickled(&[b"(", &b"]".repeat(MANY)[..], b"l.](."].concat()),
        ),
        (
            "a dictionary",
            pickled(&[b"(", &b"N".repeat(MANY)[..], b"d."].concat()),
        ),
        ("tuples", pickled(&b"NNN\x87".repeat(MANY / 4))),
        ("a memo", pickled(&memo)),
        (
            "calls",
            pickled(&b"ccollections\nOrderedDict\n)R".repeat(MANY / 16)),
        ),
        (
            "a tower",
            pickled(&[b"N", &b"\x85".repeat(MANY)[..], b".](."].concat()),
        ),
        ("members", directory(MANY as u32 / 16)),
        (
            "notes",
            safetensors(&format!("{{\"__metadata__\":{{{}}}}}", pairs.join(","))),
        ),
        (
            "entries",
            safetensors(&format!("{{{}}}", entries.join(","))),
        ),
        ("brackets", safetensors(&"[".repeat(MANY))),
        (
            "a shape",
            safetensors(&format!(
                "{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{}0]}}}}",
                "0,".repeat(MANY)
            )),
        ),
    ];
    for (i, (name, file)) in files.iter().enumerate() {
        check(name, i as u64, file, &|file| {
            drop(parse(Path::new("x"), file))
        });
    }
}

#[test]
fn texts_of_one_thing_over_and_over() {
    let folder = super::seeds::Scratch::new("hostile");
    let config = folder.0.join("config.toml");
    let manifest = folder.0.join("1.json");
    for (i, piece) in [
        "a=1\n", "[a]\n", "[", "{\"a\":", "[0,", "\"\",", "*=*\n", "a.", "\u{fc}",
    ]
    .iter()
    .enumerate()
    {
        let file = piece.repeat(MANY / piece.len()).into_bytes();
        check("names", i as u64, &file, &|file| {
            drop(Mapping::parse(std::str::from_utf8(file).unwrap()))
        });
        super::seeds::replace(&manifest, &file);
        check("manifest", i as u64, &file, &|_| {
            drop(Snapshot::load(&folder.0, "1"))
        });
        // A configuration as long as one that is read can be.
        let short = &file[..1 << 18];
        super::seeds::replace(&config, short);
        check("config", i as u64, short, &|_| {
            drop(eras_recipes::Config::read(&config))
        });
    }
}

/// Announced or repeated, and hardly there.
#[test]
fn archives_of_one_thing_over_and_over() {
    let [jpegs, batches] = &super::seeds::archives()[..] else {
        panic!("two archives");
    };
    // Pictures by the ten thousand, in members of gzip that say the same.
    let pictures = super::seeds::packed(&jpegs[..jpegs.len() - 1024].repeat(1000));
    let many = pictures.repeat(20);
    let announcing = |size: u64| {
        let mut archive = batches.clone();
        archive[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        super::seeds::packed(&super::seeds::tar_mended(&archive))
    };
    let files = [
        ("pictures", many),
        ("rows that are believed", announcing(3073 * 3400)),
        ("rows that are not", announcing(3073 * 20_000)),
    ];
    for (i, (name, file)) in files.iter().enumerate() {
        check(name, i as u64, file, &|file| {
            drop(Cifar10::from_bytes("x", file))
        });
    }
}

/// As large as is believed of a file of no length, and black all over.
#[test]
fn pictures_of_one_color() {
    const WIDTH: u32 = 4096;
    let small = Some([5, 7]);
    let sizes = [(None, Color::Rgb), (None, Color::Gray), (small, Color::Rgb)];
    use ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    // With what is believed to be taken for a pixel, in bytes.
    for (format, color, each) in [
        (ImageFormat::Png, L8, 5),
        (ImageFormat::Png, La8, 6),
        (ImageFormat::Png, L16, 6),
        (ImageFormat::Png, La16, 8),
        (ImageFormat::Png, Rgb8, 7),
        (ImageFormat::Png, Rgba8, 8),
        (ImageFormat::Png, Rgb16, 12),
        (ImageFormat::Png, Rgba16, 16),
        (ImageFormat::WebP, Rgb8, 7),
        (ImageFormat::WebP, Rgba8, 12),
        (ImageFormat::Jpeg, L8, 9),
        (ImageFormat::Jpeg, Rgb8, 11),
    ] {
        let height = (60 << 20) / each / WIDTH;
        let mut file = Cursor::new(Vec::new());
        DynamicImage::new(WIDTH, height, color)
            .write_to(&mut file, format)
            .unwrap();
        let mut file = file.into_inner();
        let name = format!("{format:?}-{color:?}");
        for (i, &(size, channels)) in sizes.iter().enumerate() {
            check(&name, i as u64, &file, &|file| {
                drop(Picture::from_bytes("x", file, size, channels).unwrap())
            });
        }
        if format == ImageFormat::Jpeg {
            // Announced as one of several passes: room is made for all its coefficients.
            let at = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
            file[at + 1] = 0xc2;
            check(&name, 9, &file, &|file| {
                drop(Picture::from_bytes("x", file, None, Color::Rgb))
            });
        }
    }
}
