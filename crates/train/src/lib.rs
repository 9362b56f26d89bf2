//! Eras: the training loop, metrics, checkpoints, runs and reports.
