//! 5 Large models, since 2017: the Transformer and what came of it.

mod cache;
mod generate;
mod gpt;
mod hugging_face;
mod rope;
mod sampler;

pub use cache::Cache;
pub use generate::{End, Generation, generate};
pub use gpt::{Gpt, GptConfig, NormKind, Positions, Units};
pub use hugging_face::Pretrained;
pub use rope::{Rope, Scaling};
pub use sampler::Sampler;
