//! Eras: layers, initializers, losses, optimizers, schedules.
