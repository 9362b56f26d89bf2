//! The types of numbers that tensors hold.

use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 32-bit float, the default.
    F32,
    /// 64-bit float.
    F64,
    /// 16-bit float with the exponent of `f32` (8 bits of significand).
    BF16,
    /// IEEE 16-bit float.
    F16,
    /// 64-bit whole number: indices, labels, token ids.
    I64,
    /// Byte: pixels.
    U8,
    /// Truth value, one byte each.
    Bool,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::F32,
        Self::F64,
        Self::BF16,
        Self::F16,
        Self::I64,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// Whether this is one of the four float types, the only ones with gradients.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::BF16 | Self::F16)
    }

    /// Whether this is a 16-bit float, which is computed in `f32` and rounded.
    #[must_use]
    pub fn is_half(self) -> bool {
        matches!(self, Self::BF16 | Self::F16)
    }

    /// The name, as in `f32`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::Bool => "bool",
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Rust types that a tensor can hold.
pub trait Element: Copy + Send + Sync + fmt::Debug + PartialEq + 'static + sealed::Sealed {
    /// The dtype of a tensor of these.
    const DTYPE: Dtype;
    /// How an element is stored (a `bool` as a byte).
    #[doc(hidden)]
    type Stored: eras_kernels::buffer::Plain;
    #[doc(hidden)]
    fn store(self) -> Self::Stored;
    #[doc(hidden)]
    fn load(stored: Self::Stored) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($t:ident: $dtype:ident,)*) => { $(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: Dtype = Dtype::$dtype;
            type Stored = Self;
            #[inline(always)]
            fn store(self) -> Self {
                self
            }
            #[inline(always)]
            fn load(stored: Self) -> Self {
                stored
            }
        }
    )* };
}
element!(f32: F32, f64: F64, bf16: BF16, f16: F16, i64: I64, u8: U8,);

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: Dtype = Dtype::Bool;
    type Stored = u8;
    #[inline(always)]
    fn store(self) -> u8 {
        u8::from(self)
    }
    #[inline(always)]
    fn load(stored: u8) -> Self {
        stored != 0
    }
}

/// Runs `$body` with `$T` standing for the storage type of a dtype.
macro_rules! with_stored {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::Dtype::F32 => {
                type $T = f32;
                $body
            }
            $crate::Dtype::F64 => {
                type $T = f64;
                $body
            }
            $crate::Dtype::BF16 => {
                type $T = half::bf16;
                $body
            }
            $crate::Dtype::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::Dtype::I64 => {
                type $T = i64;
                $body
            }
            $crate::Dtype::U8 | $crate::Dtype::Bool => {
                type $T = u8;
                $body
            }
        }
    };
}
pub(crate) use with_stored;

/// Runs `$body` with `$T` standing for `f32` or `f64`. Half precisions must have been widened before, and
/// whole numbers refused.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::Dtype::F32 => {
                type $T = f32;
                $body
            }
            $crate::Dtype::F64 => {
                type $T = f64;
                $body
            }
            other => unreachable!("{other} reached a kernel for f32 and f64"),
        }
    };
}
pub(crate) use with_float;
