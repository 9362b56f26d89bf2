//! The training loop, metrics, checkpoints, runs and reports.

mod callback;
mod checkpoint;
mod clock;
mod course;
mod forecast;
mod metric;
mod number;
mod objective;
mod plateau;
mod score;
mod search;
mod totals;
mod trainer;

pub use callback::{Callback, Checkpoints, Control, CsvLog, EarlyStopping, Goal, JsonLog, Moment};
pub use checkpoint::{Snapshot, hash};
pub use course::{Course, Learner, Parts, Step};
pub use forecast::Forecast;
pub use metric::{
    Accuracy, Auc, AveragePrecision, BalancedAccuracy, BinaryAccuracy, Brier, CalibrationError,
    CohenKappa, Confusion, F1, Iou, Mae, Matthews, MeanIou, Metric, Mse, Perplexity, Precision, R2,
    Recall, Rmse, Specificity, TopK,
};
pub use objective::{Forward, Objective};
pub use plateau::Plateau;
pub use score::{Epoch, History, Score, json_object};
pub use search::LrSearch;
pub use trainer::{CrossValidation, NonFinite, Trainer};
