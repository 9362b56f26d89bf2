//! `eras sample`.

use crate::args::{Format, SampleArgs};
use crate::output;
use eras_formats::files;
use eras_recipes::{Draw, Run, SampleRequest, Sampled};
use eras_report::{Animation, Picture};
use eras_tensor::{Error, Result};
use serde_json::json;
use std::io::Write;
use std::path::Path;

/// Draws samples from a run's model and writes them as one picture.
pub(crate) fn sample(args: &SampleArgs) -> Result<()> {
    check_name(&args.out)?; // before long work, not after it
    if let Some(threads) = args.threads {
        eras_tensor::set_threads(usize::from(threads));
    }
    let run = Run::open(&args.run)?;
    let request = SampleRequest {
        count: args.count.into(),
        draw: match args.interpolate {
            Some([from, to]) => Draw::Between(from, to),
            None => Draw::Seed(args.seed),
        },
        class: args.class.clone(),
    };
    let sampled = eras_recipes::find(&run.config().recipe)?.sample(&run, &request)?;
    let Drawn { png, count, frames } = draw(sampled)?;
    files::replace(&args.out, |file| file.write_all(&png))?;
    let path = args.out.display();
    if args.format == Format::Json {
        output::json(&json!({
            "event": "sample", "run": args.run.display().to_string(), "file": path.to_string(),
            "samples": count, "frames": frames,
        }));
    } else if frames > 1 {
        output::line(&format!("{count} samples in {frames} frames are in {path}"));
    } else {
        output::line(&format!("{count} samples are in {path}"));
    }
    Ok(())
}

/// Refuses names that promise another kind of picture.
fn check_name(out: &Path) -> Result<()> {
    let ending = out.extension().map(|e| e.to_string_lossy().to_lowercase());
    if matches!(ending.as_deref(), Some("png" | "apng")) {
        return Ok(());
    }
    Err(Error::usage("samples are written as PNG: wanted a name that ends in .png").at(out))
}

/// A file, and how many samples and frames are in it.
struct Drawn {
    png: Vec<u8>,
    count: usize,
    frames: usize,
}

/// All samples in one picture, as nearly a square as they make.
fn draw(sampled: Sampled) -> Result<Drawn> {
    let columns = |count: usize| (count as f64).sqrt().ceil() as usize;
    match sampled {
        Sampled::Pictures(pictures) if !pictures.is_empty() => Ok(Drawn {
            png: Picture::grid(&pictures, columns(pictures.len())).png(),
            count: pictures.len(),
            frames: 1,
        }),
        Sampled::Animations(animations) if !animations.is_empty() => Ok(Drawn {
            png: Animation::grid(&animations, columns(animations.len())).png(),
            count: animations.len(),
            frames: animations[0].frames().len(),
        }),
        _ => Err(Error::new("the model gave no samples")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn picture(gray: u8) -> Picture {
        Picture::grey(4, 3, vec![gray; 12])
    }

    #[test]
    fn samples_stand_in_a_square() {
        let pictures: Vec<Picture> = (0..10).map(picture).collect();
        let drawn = draw(Sampled::Pictures(pictures.clone())).unwrap();
        assert_eq!((drawn.count, drawn.frames), (10, 1));
        // Four columns: three rows, of which the last is not full.
        assert_eq!(drawn.png, Picture::grid(&pictures, 4).png());
        assert!(draw(Sampled::Pictures(Vec::new())).is_err());
    }

    #[test]
    fn samples_that_move_are_an_animation() {
        let way = |from: u8| {
            let frames = (0..5).map(|t| picture(from + t)).collect();
            Animation::new(frames, Duration::from_millis(40))
        };
        let ways = vec![way(0), way(100)];
        let drawn = draw(Sampled::Animations(ways.clone())).unwrap();
        assert_eq!((drawn.count, drawn.frames), (2, 5));
        assert_eq!(drawn.png, Animation::grid(&ways, 2).png());
    }

    #[test]
    fn another_kind_of_picture_is_not_promised() {
        assert!(check_name(Path::new("a/grid.PNG")).is_ok());
        let error = check_name(Path::new("grid.gif")).unwrap_err();
        assert!(error.is_usage());
        assert_eq!(
            error.to_string(),
            "`grid.gif`: samples are written as PNG: wanted a name that ends in .png"
        );
    }
}
