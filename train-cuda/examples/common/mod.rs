//! What the examples share: the configurations that are measured, and what a launch costs on paper.

pub mod cost;

use model::config::{ModelConfig, StoredType};
use train::config::Config;
use train::preset;

/// A preset, or GPT-2's smallest shape with SwiGLU, 16 sequences of 1,024 tokens a step; or one that takes no time.
pub fn configuration(name: &str) -> (Config, ModelConfig) {
    if name == "tiny" {
        let mut config = preset::tiny();
        (config.model.blocks, config.model.context, config.train.batch) = (1, 32, 2);
        let model = config.model_config(256);
        return (config, model);
    }
    if name != "125m" {
        let config = preset::named(name).unwrap_or_else(|e| panic!("{e}"));
        let model = config.model_config(if name == "showcase" { 50_257 } else { 2048 });
        return (config, model);
    }
    let mut config = preset::showcase();
    let m = &mut config.model;
    (m.width, m.blocks, m.heads, m.ffn, m.context) = (768, 12, 12, 2048, 1024);
    (m.kv_heads, m.head_dim, m.streams) = (12, 64, 1);
    config.train.batch = 16;
    let model =
        ModelConfig { embedding: StoredType::F16, head: StoredType::F16, ..config.model_config(50_257) };
    (config, model)
}
