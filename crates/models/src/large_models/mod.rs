//! 5 Large models, since 2017: the Transformer and what came of it.

mod beam;
mod cache;
mod encoder_decoder;
mod generate;
mod gpt;
mod hugging_face;
mod rope;
mod sampler;
mod transformer;
mod translate;

pub use beam::{BeamSearch, Hypothesis};
pub use cache::Cache;
pub use encoder_decoder::{EncoderDecoder, StackConfig, Writing};
pub use generate::{End, Generation, generate, generate_each, likeliest};
pub use gpt::{Gpt, GptConfig, NormKind, Positions, Units};
pub use hugging_face::Pretrained;
pub use rope::{Rope, Scaling};
pub use sampler::Sampler;
pub use transformer::{Transformer, TransformerConfig};
pub use translate::translate;
