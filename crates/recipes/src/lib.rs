//! Eras: model x data x trainer, each with its promised result.
