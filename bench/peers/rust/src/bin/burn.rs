//! The workloads `mlp` and `cnn` on Burn: its own layers, loss and Adam, since it has no Adadelta.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl Mlp {
    fn new(device: &Device) -> Self {
        let layer = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        Self {
            fc1: layer(784, 512),
            fc2: layer(512, 512),
            fc3: layer(512, 10),
        }
    }

    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let h = relu(self.fc1.forward(x));
        let h = relu(self.fc2.forward(h));
        self.fc3.forward(h)
    }
}

#[derive(Module, Debug)]
struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 32], [3, 3]).init(device),
            conv2: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(64 * 12 * 12, 128).init(device),
            fc2: LinearConfig::new(128, 10).init(device),
        }
    }

    /// `(B, 784)` to `(B, 10)`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x: Tensor<4> = x.reshape([-1, 1, 28, 28]);
        let h = relu(self.conv1.forward(x));
        let h = relu(self.conv2.forward(h));
        let h: Tensor<2> = self.pool.forward(h).flatten(1, 3);
        self.fc2.forward(relu(self.fc1.forward(h)))
    }
}

fn main() {
    let args = peers::Args::parse();
    let device = match args.device.as_str() {
        "flex" => Device::flex(),
        #[expect(deprecated, reason = "on some machines it is the faster one")]
        "ndarray" => Device::ndarray(),
        other => panic!("unknown device {other}"),
    }
    .autodiff();
    match args.workload.as_str() {
        "cnn" => train(&args, Cnn::new(&device), Cnn::forward, &device),
        _ => train(&args, Mlp::new(&device), Mlp::forward, &device),
    }
}

fn train<M: Module>(
    args: &peers::Args,
    model: M,
    forward: fn(&M, Tensor<2>) -> Tensor<2>,
    device: &Device,
) {
    let criterion: CrossEntropyLoss = CrossEntropyLossConfig::new().init(device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();

    let (x, y) = peers::batch();
    let y: Vec<i64> = y.into_iter().map(i64::from).collect();
    let x = Tensor::<2>::from_data(TensorData::new(x, [128, 784]), device);
    let y = Tensor::<1, Int>::from_data(TensorData::new(y, [128]), device);

    let mut model = Some(model);
    let mut step = || {
        let net = model.take().expect("put back by the step before");
        let loss = criterion.forward(forward(&net, x.clone()), y.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        model = Some(optimizer.step(1e-3, net, grads));
        loss
    };
    let first = step().into_scalar::<f32>();
    peers::measure(args, || drop(step()));
    eprintln!(
        "loss {first:.4}, in the end {:.4}",
        step().into_scalar::<f32>()
    );
}
