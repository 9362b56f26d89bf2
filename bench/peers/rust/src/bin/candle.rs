//! The workloads `mlp` and `cnn` on Candle: its own layers, loss and AdamW (without weight decay: Adam), since it has no
//! Adadelta.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{
    AdamW, Conv2d, Conv2dConfig, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap,
    conv2d, linear, loss,
};

struct Mlp(Linear, Linear, Linear);

impl Mlp {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self(
            linear(784, 512, vb.pp("1"))?,
            linear(512, 512, vb.pp("2"))?,
            linear(512, 10, vb.pp("3"))?,
        ))
    }
}

impl Module for Mlp {
    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.0.forward(x)?.relu()?;
        let h = self.1.forward(&h)?.relu()?;
        self.2.forward(&h)
    }
}

struct Cnn(Conv2d, Conv2d, Linear, Linear);

impl Cnn {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let config = Conv2dConfig::default();
        Ok(Self(
            conv2d(1, 32, 3, config, vb.pp("1"))?,
            conv2d(32, 64, 3, config, vb.pp("2"))?,
            linear(64 * 12 * 12, 128, vb.pp("3"))?,
            linear(128, 10, vb.pp("4"))?,
        ))
    }
}

impl Module for Cnn {
    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.reshape(((), 1, 28, 28))?;
        let h = self.0.forward(&x)?.relu()?;
        let h = self.1.forward(&h)?.relu()?.max_pool2d(2)?;
        self.3
            .forward(&self.2.forward(&h.flatten_from(1)?)?.relu()?)
    }
}

fn main() -> Result<()> {
    let args = peers::Args::parse();
    let device = Device::Cpu;
    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &device);
    let model: Box<dyn Module> = match args.workload.as_str() {
        "cnn" => Box::new(Cnn::new(&vb)?),
        _ => Box::new(Mlp::new(&vb)?),
    };
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
