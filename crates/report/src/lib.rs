//! What a run leaves for a person to look at: charts, a confusion matrix, the worst mistakes, and one
//! page, `report.html`, that holds them all.
//!
//! Nothing here knows a tensor: plain slices and numbers go in, strings and bytes come out. Every
//! picture is drawn for light and dark screens and for paper, with colours that stay apart under
//! protanopia, deuteranopia and tritanopia, and needs no script, no font file and no network.
//!
//! ```
//! use eras_report::{Best, Chart, Headline, Report, Series};
//!
//! let loss = Chart::new("Loss")
//!     .x_label("epoch")
//!     .series(Series::by_epoch("training", &[0.41, 0.18, 0.12]))
//!     .series(Series::by_epoch("validation", &[0.20, 0.14, 0.13]).best(Best::Lowest));
//! assert!(loss.svg().starts_with("<svg xmlns="));          // a complete file on its own
//!
//! let page = Report::new("mlp on MNIST")
//!     .headline(Headline::new("test accuracy", "98.45%"))
//!     .chart(loss)
//!     .render();
//! assert!(page.starts_with("<!DOCTYPE html>"));
//! ```

mod animation;
mod chart;
mod confusion;
mod diagram;
pub mod format;
mod gallery;
mod heat;
mod page;
mod picture;
mod scale;
mod scatter;
mod section;
mod sparkline;
mod svg;
mod table;

pub use animation::Animation;
pub use chart::{Best, Chart, Series};
pub use confusion::{ClassScore, Confusion};
pub use diagram::{Diagram, Ending};
pub use gallery::{Mistake, Moving, Shown};
pub use heat::Heat;
pub use page::{Headline, Report};
pub use picture::Picture;
pub use scale::Scale;
pub use scatter::Scatter;
pub use section::Section;
pub use sparkline::{Curve, curves, sparkline};
pub use table::Table;
