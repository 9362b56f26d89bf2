//! Register-only loops for x86 processors.

use super::Kernel;
use std::arch::x86_64::*;
use std::hint::black_box;

/// The widest fused multiply-add of this processor.
pub(super) fn fma() -> Option<Kernel> {
    if is_x86_feature_detected!("avx512f") {
        let run = |rounds| {
            // SAFETY: the processor has just been asked.
            unsafe { avx512(rounds) }
        };
        Some(Kernel {
            run,
            ops: 24 * 16 * 2,
        })
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        let run = |rounds| {
            // SAFETY: the processor has just been asked.
            unsafe { avx2(rounds) }
        };
        Some(Kernel {
            run,
            ops: 12 * 8 * 2,
        })
    } else {
        None
    }
}

/// The bf16 dot product, where there is one.
pub(super) fn bf16() -> Option<Kernel> {
    let available = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
    let run = |rounds| {
        // SAFETY: the kernel is only returned where the processor has these instructions.
        unsafe { avx512_bf16(rounds) }
    };
    available.then_some(Kernel {
        run,
        ops: 24 * 32 * 2,
    })
}

#[target_feature(enable = "avx512f")]
fn avx512(rounds: usize) -> f32 {
    let (x, y) = (
        black_box(_mm512_set1_ps(0.999_9)),
        black_box(_mm512_set1_ps(0.000_1)),
    );
    let mut sums = [black_box(_mm512_set1_ps(1.0)); 24];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, x, y);
        }
    }
    sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
}

#[target_feature(enable = "avx2,fma")]
fn avx2(rounds: usize) -> f32 {
    let (x, y) = (
        black_box(_mm256_set1_ps(0.999_9)),
        black_box(_mm256_set1_ps(0.000_1)),
    );
    let mut sums = [black_box(_mm256_set1_ps(1.0)); 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, x, y);
        }
    }
    sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn avx512_bf16(rounds: usize) -> f32 {
    // Zero times zero: what the numbers are changes nothing in the time.
    // SAFETY: all bits zero is a value of every vector.
    let x: __m512bh = unsafe { std::mem::zeroed() };
    let x = black_box(x);
    let mut sums = [black_box(_mm512_set1_ps(1.0)); 24];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, x, x);
        }
    }
    sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
}
