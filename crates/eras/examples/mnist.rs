//! A multilayer perceptron on MNIST: `cargo run --release --example mnist`.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use eras::prelude::*;

fn main() -> eras::Result<()> {
    let mnist = Mnist::load()?;
    let rng = &mut Rng::new(0);
    let mut model = Sequential::new()
        .add(Dense::new(784, 512, rng).relu())
        .add(Dense::new(512, 512, rng).relu())
        .add(Dense::new(512, 10, rng));
    let trainer = Trainer::new(Adadelta::default(), cross_entropy)
        .batch_size(128)
        .epochs(12)
        .metric(Accuracy);
    trainer.fit(&mut model, &mnist.train, &mnist.test)?;
    let score = trainer.evaluate(&model, &mnist.test)?;
    println!(
        "test loss {:.4}  test accuracy {:.4}",
        score.loss,
        score.accuracy()
    );
    Ok(())
}
