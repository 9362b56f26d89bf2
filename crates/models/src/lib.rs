//! Eras: models of every era.
