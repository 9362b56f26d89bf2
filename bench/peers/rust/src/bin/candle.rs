//! The workload `mlp` on Candle: its own layers, loss and AdamW (without weight decay: Adam), since it has no Adadelta.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, linear, loss};

struct Mlp(Linear, Linear, Linear);

impl Mlp {
    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.0.forward(x)?.relu()?;
        let h = self.1.forward(&h)?.relu()?;
        self.2.forward(&h)
    }
}

fn main() -> Result<()> {
    let args = peers::Args::parse();
    let device = Device::Cpu;
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
    let model = Mlp(
        linear(784, 512, vb.pp("1"))?,
        linear(512, 512, vb.pp("2"))?,
        linear(512, 10, vb.pp("3"))?,
    );
    let mut optimizer = AdamW::new(
        vars.all_vars(),
        ParamsAdamW {
            weight_decay: 0.0,
            ..ParamsAdamW::default()
        },
    )?;

    let (x, y) = peers::batch();
    let x = Tensor::from_vec(x, (128, 784), &device)?;
    let y = Tensor::from_vec(y, 128, &device)?;
    let mut step = || -> Result<Tensor> {
        let loss = loss::cross_entropy(&model.forward(&x)?, &y)?;
        optimizer.backward_step(&loss)?;
        Ok(loss)
    };
    let first = step()?.to_scalar::<f32>()?;
    peers::measure(&args, || drop(step().expect("a step")));
    eprintln!(
        "loss {first:.4}, in the end {:.4}",
        step()?.to_scalar::<f32>()?
    );
    Ok(())
}
