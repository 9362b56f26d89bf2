//! Eras: data sets, readers and loaders.
//!
//! A [`Dataset`] makes a [`Batch`] of any of its samples; a [`Loader`] goes through it epoch by epoch. Readers give
//! plain arrays ([`Idx`], `Table`, `Picture`) and the sets made of them; [`catalog`] lists the sets that are known by
//! name, and [`Search`] says where each is found.
//!
//! Cargo features, all off by default: `csv` (`Csv`), `image` (`Picture`, `ImageFolder`) and `download` (sets found
//! nowhere are fetched and verified).

mod augment;
pub mod catalog;
mod cifar;
mod classes;
mod contents;
#[cfg(feature = "csv")]
mod csv;
mod dataset;
#[cfg(feature = "download")]
mod download;
mod find;
mod fingerprint;
mod idx;
#[cfg(feature = "image")]
mod image_folder;
mod images;
mod loader;
mod mnist;
mod moving_digits;
#[cfg(feature = "image")]
mod picture;
mod shapes;
mod subset;
mod tar;
mod tensors;

pub use augment::{Augment, CutMix, Mixup};
pub use cifar::Cifar10;
pub use classes::{class_counts, class_weights};
pub use contents::read_contents;
#[cfg(feature = "csv")]
pub use csv::{Column, Csv, Table, Target};
pub use dataset::{Batch, Dataset};
pub use find::{Found, Place, Search};
pub use fingerprint::of as fingerprint;
pub use idx::{Idx, IdxValues};
#[cfg(feature = "image")]
pub use image_folder::{FolderParts, ImageFolder, Skipped};
pub use images::Images;
pub use loader::{Loader, Position};
pub use mnist::{FashionMnist, Mnist};
pub use moving_digits::MovingDigits;
#[cfg(feature = "image")]
pub use picture::{Color, Picture};
pub use shapes::Shapes;
pub use subset::Subset;
pub use tensors::TensorDataset;
