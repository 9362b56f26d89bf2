//! A model and a training loop of one's own: `cargo run --release --example own_loop`.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use eras::prelude::*;

#[derive(Debug, Module)]
struct Net {
    fc1: Linear,
    drop: Dropout,
    fc2: Linear,
}

impl Net {
    fn new(rng: &mut Rng) -> Self {
        Self {
            fc1: Linear::new(784, 128, rng),
            drop: Dropout::new(0.2),
            fc2: Linear::new(128, 10, rng),
        }
    }

    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let h = self.fc1.forward(x).relu();
        self.fc2.forward(&self.drop.forward(&h, mode))
    }
}

fn main() -> eras::Result<()> {
    let mnist = Mnist::load()?;
    let mut net = Net::new(&mut Rng::new(0));
    let mut adam = Adam::new(1e-3);
    let mut loader = Loader::new(&mnist.train, 128).shuffle(0);
    let mut step = 0;
    for epoch in 1..=2 {
        let mut total = 0.0;
        for batch in &mut loader {
            let mode = Mode::train(0, step);
            let loss = cross_entropy(&net.forward(&batch.x, &mode), &batch.y);
            let grads = loss.backward();
            adam.step(&mut net, &grads);
            total += loss.item();
            step += 1;
        }
        println!(
            "epoch {epoch}  mean loss {:.4}",
            total / loader.batches() as f64
        );
    }
    Ok(())
}
