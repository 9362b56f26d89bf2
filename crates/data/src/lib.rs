//! Eras: data sets, readers and loaders.
