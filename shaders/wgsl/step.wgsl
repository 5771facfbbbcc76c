// What one submission works on. Everything else an op needs to know is a constant of its pipeline, or told for each row.

struct Step {
    /// Tokens.
    count: u32,
    /// First of the tokens whose logits are wanted; all behind it are.
    head_first: u32,
    /// Among those, the first whose likeliest next token is wanted ...
    likeliest_first: u32,
    /// ... and the first who has one drawn, as all behind it have.
    drawn_first: u32,
}

@group(0) @binding(0) var<uniform> now: Step;
