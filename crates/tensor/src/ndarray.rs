//! Conversions from and to the arrays of the `ndarray` crate; both copy.

use crate::{Element, Tensor};
use ::ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

/// A tensor of the elements of the array, in the order of the indices.
impl<T: Element, S: Data<Elem = T>, D: Dimension> From<&ArrayBase<S, D>> for Tensor {
    #[track_caller]
    fn from(array: &ArrayBase<S, D>) -> Self {
        match array.as_slice() {
            Some(elements) => Self::from_slice(elements, array.shape()),
            None => Self::from_slice(&array.iter().copied().collect::<Vec<_>>(), array.shape()),
        }
    }
}

/// A tensor of the elements of the array, in the order of the indices.
impl<T: Element, S: Data<Elem = T>, D: Dimension> From<ArrayBase<S, D>> for Tensor {
    #[track_caller]
    fn from(array: ArrayBase<S, D>) -> Self {
        Self::from(&array)
    }
}

/// An array of the elements of the tensor.
///
/// # Panics
/// If `T` is not the type of the elements; see [`Tensor::to_dtype`].
impl<T: Element> From<&Tensor> for ArrayD<T> {
    #[track_caller]
    fn from(x: &Tensor) -> Self {
        let elements = x.to_vec::<T>();
        Self::from_shape_vec(IxDyn(x.shape()), elements)
            .expect("as many elements as the shape holds")
    }
}

/// An array of the elements of the tensor.
///
/// # Panics
/// If `T` is not the type of the elements; see [`Tensor::to_dtype`].
impl<T: Element> From<Tensor> for ArrayD<T> {
    #[track_caller]
    fn from(x: Tensor) -> Self {
        Self::from(&x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::ndarray::array;

    #[test]
    fn there_and_back_in_the_order_of_the_indices() {
        let a = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let x = Tensor::from(a.t());
        assert_eq!(x.shape(), [3, 2]);
        assert_eq!(x.to_vec::<f32>(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(ArrayD::<f32>::from(x.t()), a.into_dyn());
        assert_eq!(
            Tensor::from(array![true, false]).to_vec::<bool>(),
            [true, false]
        );
    }

    #[test]
    #[should_panic(expected = "to_vec: the tensor holds f32, not f64")]
    fn another_type_is_refused() {
        let _array = ArrayD::<f64>::from(Tensor::zeros([2]));
    }
}
