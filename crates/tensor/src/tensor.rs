//! The tensor: a cheap handle on strided, shared numbers.

use crate::dtype::{Dtype, Element, with_stored};
use crate::shape::{Dims, Layout};
use crate::tape::{Node, tracked};
use eras_kernels::buffer::{Buffer, Plain};
use eras_kernels::elementwise::{self, View};
use std::sync::Arc;

/// Where a tensor's numbers live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// The processor and its memory.
    #[default]
    Cpu,
}

/// An array of numbers of any rank up to 8, with or without a history of how it was computed.
///
/// A tensor is a handle: cloning it, or taking a view (permuted, narrowed, expanded), copies no numbers. Rank,
/// dtype and device are facts of run time, not of the type. Values never change behind anybody's back: what
/// updates in place copies first if somebody else holds the storage.
///
/// ```
/// use eras::prelude::*;
///
/// let x = Tensor::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let y = &x * 2.0 + x.sum_keepdim(-1);
/// assert_eq!(y.to_vec::<f32>(), [8.0, 10.0, 12.0, 23.0, 25.0, 27.0]);
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    storage: Arc<Buffer>,
    layout: Layout,
    dtype: Dtype,
    node: Option<Arc<Node>>,
}

impl Tensor {
    /// The length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.dims
    }

    /// The number of dimensions; 0 for a single number.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.0.layout.dims.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        self.0.dtype
    }

    /// Where the numbers live.
    #[must_use]
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    /// Whether the elements lie in memory in the order of the indices, last dimension fastest.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// This tensor with its elements in line: itself where they are, else a copy.
    #[must_use]
    #[track_caller]
    pub fn contiguous(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        crate::tape::record("contiguous", self.in_line(), [self], |b| {
            [Some(b.dy.clone())]
        })
    }

    /// The elements in the order of the indices.
    ///
    /// # Panics
    /// If `T` is not the type of the elements; see [`to_dtype`](Self::to_dtype).
    #[must_use]
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        assert!(
            T::DTYPE == self.dtype(),
            "to_vec: the tensor holds {}, not {}",
            self.dtype(),
            T::DTYPE
        );
        self.in_line()
            .data::<T::Stored>()
            .iter()
            .map(|x| T::load(*x))
            .collect()
    }

    /// The only element, as `f64`.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[must_use]
    #[track_caller]
    pub fn item(&self) -> f64 {
        assert!(
            self.len() == 1,
            "item: shape {:?} holds {} elements, not one",
            self.shape(),
            self.len()
        );
        let at = self.0.layout.offset;
        match self.dtype() {
            Dtype::F32 => f64::from(self.0.storage.slice::<f32>()[at]),
            Dtype::F64 => self.0.storage.slice::<f64>()[at],
            Dtype::BF16 => self.0.storage.slice::<half::bf16>()[at].to_f64(),
            Dtype::F16 => self.0.storage.slice::<half::f16>()[at].to_f64(),
            Dtype::I64 => self.0.storage.slice::<i64>()[at] as f64,
            Dtype::U8 | Dtype::Bool => f64::from(self.0.storage.slice::<u8>()[at]),
        }
    }

    /// The elements to write, in place. Copies first if another tensor shares the storage or if the elements
    /// do not lie in line, so that nobody else sees the change. Forgets the history; a leaf stays a leaf.
    ///
    /// # Panics
    /// If `T` is not the type of the elements.
    #[track_caller]
    pub fn as_mut_slice<T: Element<Stored = T> + Plain>(&mut self) -> &mut [T] {
        assert!(
            T::DTYPE == self.dtype(),
            "as_mut_slice: the tensor holds {}, not {}",
            self.dtype(),
            T::DTYPE
        );
        let inner = Arc::make_mut(&mut self.0);
        inner.node = inner.node.take().filter(|node| node.is_leaf);
        let len = inner.layout.dims.count();
        if Arc::get_mut(&mut inner.storage).is_none() || !inner.layout.is_contiguous() {
            let mut copy = Buffer::new(len * size_of::<T>());
            let view = View {
                data: inner.storage.slice::<T>(),
                offset: inner.layout.offset,
                strides: &inner.layout.strides,
            };
            elementwise::copy_strided(&mut copy.slice_mut::<T>()[..len], &inner.layout.dims, view);
            inner.storage = Arc::new(copy);
            inner.layout = Layout::contiguous(inner.layout.dims);
        }
        if len == 0 {
            return &mut []; // a view of nothing may begin behind its storage
        }
        let offset = inner.layout.offset;
        let storage = Arc::get_mut(&mut inner.storage).expect("just made the only owner");
        &mut storage.slice_mut::<T>()[offset..offset + len]
    }

    /// The elements as a slice.
    ///
    /// # Panics
    /// If `T` is not the type of the elements, or they do not lie in line (see [`contiguous`](Self::contiguous)).
    #[must_use]
    #[track_caller]
    pub fn as_slice<T: Element<Stored = T> + Plain>(&self) -> &[T] {
        assert!(
            T::DTYPE == self.dtype(),
            "as_slice: the tensor holds {}, not {}",
            self.dtype(),
            T::DTYPE
        );
        assert!(
            self.is_contiguous(),
            "as_slice: the elements of shape {:?} do not lie in line; call contiguous() first",
            self.shape()
        );
        self.data()
    }

    /// The elements as they lie in memory, in the byte order of the machine: what is written to files.
    ///
    /// # Panics
    /// If they do not lie in line (see [`contiguous`](Self::contiguous)).
    #[must_use]
    #[track_caller]
    pub fn as_bytes(&self) -> &[u8] {
        assert!(
            self.is_contiguous(),
            "as_bytes: the elements of shape {:?} do not lie in line; call contiguous() first",
            self.shape()
        );
        let size = self.dtype().size();
        if self.is_empty() {
            return &[];
        }
        &self.0.storage.slice::<u8>()[self.0.layout.offset * size..][..self.len() * size]
    }

    /// A tensor of the elements that lie in `bytes`, in the byte order of the machine.
    ///
    /// # Panics
    /// If there are more or fewer bytes than the shape needs.
    #[must_use]
    #[track_caller]
    pub fn from_bytes(bytes: &[u8], shape: impl Into<Dims>, dtype: Dtype) -> Self {
        let dims = shape.into();
        let needed = dims.count() * dtype.size(); // the count is below 2^60
        assert!(
            bytes.len() == needed,
            "from_bytes: {} bytes do not fill {dtype} {dims:?}, which takes {needed}",
            bytes.len()
        );
        let mut storage = Buffer::new(needed);
        storage.slice_mut::<u8>()[..needed].copy_from_slice(bytes);
        Self::from_storage(Arc::new(storage), Layout::contiguous(dims), dtype)
    }

    /// Whether both are handles on the same place in memory.
    #[must_use]
    pub fn shares_storage_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.storage, &other.0.storage)
    }

    // What follows is for operations.

    /// A new contiguous tensor whose elements `fill` writes; all of them, since they are arbitrary before.
    #[track_caller]
    pub(crate) fn build<T: Plain>(dtype: Dtype, dims: Dims, fill: impl FnOnce(&mut [T])) -> Self {
        debug_assert_eq!(dtype.size(), size_of::<T>());
        let len = dims.count();
        let Some(mut storage) = Buffer::try_new(len * size_of::<T>()) else {
            panic!(
                "out of memory: {dtype} {dims:?} takes {} bytes",
                len * size_of::<T>()
            );
        };
        fill(&mut storage.slice_mut::<T>()[..len]);
        Self::own(storage, dims, dtype)
    }

    fn own(storage: Buffer, dims: Dims, dtype: Dtype) -> Self {
        Self::from_storage(Arc::new(storage), Layout::contiguous(dims), dtype)
    }

    fn from_storage(storage: Arc<Buffer>, layout: Layout, dtype: Dtype) -> Self {
        Self(Arc::new(Inner {
            storage,
            layout,
            dtype,
            node: None,
        }))
    }

    /// The elements in line, for a kernel: as [`contiguous`](Self::contiguous), but a copy has no history.
    #[track_caller]
    pub(crate) fn in_line(&self) -> Self {
        if self.is_contiguous() {
            return self.clone();
        }
        with_stored!(self.dtype(), T => Self::build::<T>(self.dtype(), self.0.layout.dims, |y| {
            elementwise::copy_strided(y, self.shape(), self.view());
        }))
    }

    /// The same storage seen through another layout, without history.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        Self::from_storage(self.0.storage.clone(), layout, self.0.dtype)
    }

    pub(crate) fn dims(&self) -> Dims {
        self.0.layout.dims
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The elements of a contiguous tensor.
    #[track_caller]
    pub(crate) fn data<T: Plain>(&self) -> &[T] {
        debug_assert!(self.is_contiguous() && self.dtype().size() == size_of::<T>());
        if self.is_empty() {
            return &[]; // a view of nothing may begin behind its storage
        }
        &self.0.storage.slice::<T>()[self.0.layout.offset..][..self.len()]
    }

    /// The elements of any tensor.
    pub(crate) fn view<T: Plain>(&self) -> View<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
        View {
            data: self.0.storage.slice::<T>(),
            offset: self.0.layout.offset,
            strides: &self.0.layout.strides,
        }
    }

    /// The elements of any tensor, repeated by `strides` (see [`Layout::strides_over`]).
    pub(crate) fn view_over<'a, T: Plain>(&'a self, strides: &'a Dims) -> View<'a, T> {
        View {
            strides,
            ..self.view()
        }
    }

    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.0.node.as_ref()
    }

    /// Puts a history on this tensor, whose handle must not have been shared yet.
    pub(crate) fn with_node(mut self, node: Option<Arc<Node>>) -> Self {
        Arc::make_mut(&mut self.0).node = node;
        self
    }

    /// Whether an operation of this and `other` may write what it computes, in this type and shape, over these numbers: they
    /// are in line, not widened to compute with, nobody else holds them, and no gradient will ask for them.
    pub(crate) fn may_be_written_over(&mut self, other: &Self) -> bool {
        matches!(self.dtype(), Dtype::F32 | Dtype::F64)
            && self.is_contiguous()
            && !tracked(&[self, other])
            && self.is_sole_owner()
    }

    /// Whether nobody else holds the numbers.
    pub(crate) fn is_sole_owner(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some_and(|inner| Arc::get_mut(&mut inner.storage).is_some())
    }
}
