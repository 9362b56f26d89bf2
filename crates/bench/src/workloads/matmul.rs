//! Square matrix products, f32 and bf16.

use crate::measurement::Kind;
use crate::workload::{Step, Workload};
use eras_tensor::{Dtype, Rng, Tensor};
use std::hint::black_box;

pub(crate) fn workloads() -> Vec<Workload> {
    let sizes = [256, 512, 1024, 2048];
    let f32 = sizes.map(|n| square(n, Dtype::F32, Kind::F32, ""));
    let bf16 = sizes.map(|n| square(n, Dtype::BF16, Kind::Bf16, "_bf16"));
    f32.into_iter().chain(bf16).collect()
}

fn square(n: usize, dtype: Dtype, kind: Kind, suffix: &str) -> Workload {
    let name = format!("matmul_{n}{suffix}");
    let about = format!("a product of two {n} x {n} matrices, {dtype}");
    let flops = 2.0 * (n as f64).powi(3);
    let workload = Workload::compute(&name, &about, flops, move || product(n, dtype));
    Workload {
        kind,
        on_one_too: true,
        ..workload
    }
}

fn product(n: usize, dtype: Dtype) -> Step {
    let rng = &mut Rng::new(0);
    let a = Tensor::randn([n, n], rng).to_dtype(dtype);
    let b = Tensor::randn([n, n], rng).to_dtype(dtype);
    Box::new(move || _ = black_box(black_box(&a).matmul(black_box(&b))))
}
