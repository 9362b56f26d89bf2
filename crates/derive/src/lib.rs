//! Eras: #[derive(Module)].
