//! Eras: tensors and the tape.
