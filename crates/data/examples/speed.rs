//! How fast data is made: `cargo run --release -p eras-data --example speed`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use eras_data::{Augment, Cifar10, Dataset, Loader, Mnist, MovingDigits, Shapes};
use eras_tensor::{Result, Rng};
use std::time::{Duration, Instant};

fn best(times: usize, mut f: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..times {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed());
    }
    best
}

fn main() -> Result<()> {
    let start = Instant::now();
    let cifar = Cifar10::load()?;
    println!("CIFAR-10 loaded in {:.2?}", start.elapsed());

    let indices: Vec<usize> = (0..128).map(|i| i * 389 % cifar.train.len()).collect();
    let time = best(200, || {
        drop(cifar.train.batch(&indices).expect("in memory"))
    });
    println!("a batch of 128: {time:.2?}");

    let batch = cifar.train.batch(&indices)?;
    let plain = Augment::new([3, 32, 32]).crop(4).flip();
    let turned = plain.clone().rotate(10.0);
    let colored = plain.clone().color(0.2, 0.2, 0.2);
    for (name, augment) in [
        ("crop and flip", plain),
        ("crop, flip and turn", turned),
        ("crop, flip and colour", colored),
    ] {
        let time = best(200, || drop(augment.apply(batch.clone(), &mut Rng::new(0))));
        println!("{name}: {time:.2?}");
    }
    let mut loader = Loader::new(&cifar.train, 128).shuffle(0);
    let start = Instant::now();
    let batches = (&mut loader).count();
    println!("an epoch of {batches} batches: {:.2?}", start.elapsed());

    let videos = MovingDigits::new(&Mnist::load()?.train, 1000, 0);
    let shapes = Shapes::new(1000, 0);
    for (name, set) in [("videos", &videos as &dyn Dataset), ("shapes", &shapes)] {
        let indices: Vec<usize> = (0..32).collect();
        let time = best(20, || drop(set.batch(&indices).expect("made on the fly")));
        println!("a batch of 32 {name}: {time:.2?}");
    }
    Ok(())
}
