//! Vectors of numbers, for loops whose sums the compiler would not keep in registers by itself.

use crate::Float;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Isa, isa, vectorize};
#[cfg(target_arch = "x86_64")]
use std::any::TypeId;

/// Some numbers in a register.
///
/// What does not inline computes slowly, but rightly; [`vectorize`](crate::simd::vectorize) makes what inlines fast.
pub(super) trait Lanes: Copy {
    /// The numbers.
    type T: Float;
    /// How many they are: 16, or what divides that.
    const COUNT: usize;

    /// The same number in all lanes.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn splat(x: Self::T) -> Self;
    /// Reads [`COUNT`](Self::COUNT) numbers.
    ///
    /// # Safety
    /// As of [`splat`](Self::splat), and the numbers are there.
    unsafe fn load(from: *const Self::T) -> Self;
    /// Writes them.
    ///
    /// # Safety
    /// As of [`load`](Self::load), and nobody else uses them.
    unsafe fn store(self, to: *mut Self::T);
    /// `self * by + plus`, lane by lane.
    ///
    /// # Safety
    /// As of [`splat`](Self::splat).
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self;
}

/// Eight numbers, of which the compiler makes the vectors that there are; they are rounded between product and sum unless
/// `FUSED`.
#[derive(Clone, Copy)]
pub(super) struct Eight<T, const FUSED: bool>([T; 8]);

impl<T: Float, const FUSED: bool> Lanes for Eight<T, FUSED> {
    type T = T;
    const COUNT: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: this function's contract.
        Self(unsafe { from.cast::<[T; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: this function's contract.
        unsafe { to.cast::<[T; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
        let mut sums = plus.0;
        for (sum, (a, b)) in sums.iter_mut().zip(self.0.iter().zip(&by.0)) {
            *sum = if FUSED {
                a.mul_add(*b, *sum)
            } else {
                *a * *b + *sum
            };
        }
        Self(sums)
    }
}

/// Vectors of which some lanes can be left alone.
#[cfg(target_arch = "x86_64")]
pub(super) trait Masked: Lanes {
    /// Reads every `STEP`-th number from `from` on (1 or 2). Of the `STEP` vectors that they lie in only the lanes whose bit
    /// is set are read; the others are 0, and need not be there.
    ///
    /// # Safety
    /// As of [`load`](Lanes::load).
    unsafe fn load_where<const STEP: usize>(lanes: [u16; STEP], from: *const Self::T) -> Self;
    /// Writes to every `STEP`-th place from `to` on (1 or 2), of the `STEP` vectors there these lanes alone.
    ///
    /// # Safety
    /// As of [`store`](Lanes::store).
    unsafe fn store_where<const STEP: usize>(self, lanes: [u16; STEP], to: *mut Self::T);
    /// `self + other`
    ///
    /// # Safety
    /// As of [`splat`](Lanes::splat).
    unsafe fn add(self, other: Self) -> Self;
    /// `max(self, 0)`; NaN stays NaN.
    ///
    /// # Safety
    /// As of [`splat`](Lanes::splat).
    unsafe fn relu(self) -> Self;
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{F32, F64};

/// Copies each run, of which the first number is at `from + run.0`, the second is where it goes, counted from `to`, and the
/// third its length: to every `step`-th place.
///
/// # Safety
/// The numbers are there, and nobody else uses these places.
pub(super) unsafe fn spread<T: Float>(
    to: *mut T,
    from: *const T,
    runs: &[(usize, usize, usize)],
    step: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if step == 2 && isa() == Isa::Avx512 {
        // SAFETY: this function's contract; the processor has AVX-512, and the types are the same.
        return unsafe {
            if TypeId::of::<T>() == TypeId::of::<f32>() {
                spread_by_two::<F32>(to.cast(), from.cast(), runs);
            } else {
                spread_by_two::<F64>(to.cast(), from.cast(), runs);
            }
        };
    }
    for &(first, at, len) in runs {
        for i in 0..len {
            // SAFETY: this function's contract.
            unsafe { *to.add(at + i * step) = *from.add(first + i) };
        }
    }
}

/// # Safety
/// As of [`spread`], and the processor has the instructions of `L`.
#[cfg(target_arch = "x86_64")]
unsafe fn spread_by_two<L: Masked>(
    to: *mut L::T,
    from: *const L::T,
    runs: &[(usize, usize, usize)],
) {
    vectorize(
        #[inline(always)]
        || {
            for &(first, at, len) in runs {
                for i in (0..len).step_by(L::COUNT) {
                    let count = L::COUNT.min(len - i);
                    let lanes = ((1_u32 << count) - 1) as u16;
                    // Every second of twice as many places.
                    let places = ((1_u64 << (2 * count)) - 1) & 0x5555_5555;
                    let places = [places as u16, (places >> L::COUNT) as u16];
                    // SAFETY: this function's contract.
                    unsafe {
                        let x = L::load_where([lanes], from.add(first + i));
                        x.store_where(places, to.add(at + 2 * i));
                    }
                }
            }
        },
    );
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Lanes, Masked};
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($name:ident, $t:ident, $count:literal, $register:ident, $mask:ident,
         $set1:ident, $load:ident, $store:ident, $load_some:ident, $store_some:ident, $add:ident, $max:ident, $fma:ident,
         $permute:ident, $permute_two:ident, $indices:ident, [$($i:literal)+]) => {
            /// A register of AVX-512.
            #[derive(Clone, Copy)]
            pub(in super::super) struct $name($register);

            impl Lanes for $name {
                type T = $t;
                const COUNT: usize = $count;

                #[inline(always)]
                unsafe fn splat(x: $t) -> Self {
                    // SAFETY: this function's contract.
                    Self(unsafe { $set1(x) })
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> Self {
                    // SAFETY: this function's contract.
                    Self(unsafe { $load(from) })
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $t) {
                    // SAFETY: this function's contract.
                    unsafe { $store(to, self.0) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
                    // SAFETY: this function's contract.
                    Self(unsafe { $fma(self.0, by.0, plus.0) })
                }
            }

            impl Masked for $name {
                #[inline(always)]
                unsafe fn load_where<const STEP: usize>(lanes: [u16; STEP], from: *const $t) -> Self {
                    // SAFETY: this function's contract.
                    unsafe {
                        let first = $load_some(lanes[0] as $mask, from);
                        if STEP == 1 {
                            return Self(first);
                        }
                        let second = $load_some(lanes[1] as $mask, from.wrapping_add($count));
                        // Element 2 i of both.
                        Self($permute_two(first, $indices($(2 * $i),+), second))
                    }
                }
                #[inline(always)]
                unsafe fn store_where<const STEP: usize>(self, lanes: [u16; STEP], to: *mut $t) {
                    // SAFETY: this function's contract.
                    unsafe {
                        if STEP == 1 {
                            return $store_some(to, lanes[0] as $mask, self.0);
                        }
                        // Element i at places 2 i and 2 i + 1, of which the lanes name the first.
                        let first = $permute($indices($($i / 2),+), self.0);
                        let second = $permute($indices($($count / 2 + $i / 2),+), self.0);
                        $store_some(to, lanes[0] as $mask, first);
                        $store_some(to.wrapping_add($count), lanes[1] as $mask, second);
                    }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: this function's contract.
                    Self(unsafe { $add(self.0, other.0) })
                }
                #[inline(always)]
                unsafe fn relu(self) -> Self {
                    // SAFETY: this function's contract. In this order a NaN stays one.
                    Self(unsafe { $max($set1(0.0), self.0) })
                }
            }
        };
    }

    lanes!(
        F32, f32, 16, __m512, u16,
        _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_add_ps, _mm512_max_ps, _mm512_fmadd_ps,
        _mm512_permutexvar_ps, _mm512_permutex2var_ps, _mm512_setr_epi32, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]
    );
    lanes!(
        F64, f64, 8, __m512d, u8,
        _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_maskz_loadu_pd, _mm512_mask_storeu_pd,
        _mm512_add_pd, _mm512_max_pd, _mm512_fmadd_pd,
        _mm512_permutexvar_pd, _mm512_permutex2var_pd, _mm512_setr_epi64, [0 1 2 3 4 5 6 7]
    );
}
