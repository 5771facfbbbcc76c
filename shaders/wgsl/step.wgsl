// What one submission works on. Everything else an op needs to know is a constant of its pipeline.

struct Step {
    /// Position of the first token.
    first: u32,
    /// Tokens.
    count: u32,
    /// First of the tokens whose logits are wanted.
    head_first: u32,
    /// Logits wanted.
    head_count: u32,
}

@group(0) @binding(0) var<uniform> now: Step;
