// What the server is asked for the next piece of a text: the path, and the body. It knows what models can see at a time, and what is to
// be done where a text is longer.

import { ROOT } from "./tree.js";
import { fields } from "./settings.js";
import { LIKELIEST } from "./tokens.js";

// The messages of a conversation, up to a node.
export function messages(conversation, node) {
    const said = [];
    for (let at = node; at; at = conversation.tree.get(at.parent)) said.unshift({ role: at.role, content: at.text });
    const system = conversation.system.trim() === "" ? [] : [{ role: "system", content: conversation.system }];
    return [...system, ...said];
}

// The text of a notebook, up to a node.
function textBefore(conversation, node) {
    let text = "";
    for (let at = node; at; at = at.parent === ROOT ? undefined : conversation.tree.get(at.parent)) text = at.text + text;
    return text;
}

// What to ask for what comes behind `node`; where `node` is the model's own turn in a conversation, for the rest of it.
export async function asking({ server, model, settings, conversation, node, seed }) {
    const common = { model: model.id, ...fields(settings, seed) };
    // At least half of what the model sees is for what it has read.
    const room = Math.min(settings.maxTokens, Math.floor(model.context / 2));
    if (conversation.mode === "notebook") {
        const text = textBefore(conversation, node);
        const prompt = conversation.slides ? (await server.ids(model.id, text, false)).slice(room - model.context) : text;
        return { path: "v1/completions", body: { ...common, prompt, ...(settings.probabilities ? { logprobs: LIKELIEST } : {}) } };
    }
    let all = messages(conversation, node);
    if (conversation.slides) all = await inSight(server, model, all, model.context - room);
    const goesOn = node?.role === "assistant" ? { continue_final_message: true, add_generation_prompt: false } : {};
    const probabilities = settings.probabilities ? { logprobs: true, top_logprobs: LIKELIEST } : {};
    return { path: "v1/chat/completions", body: { ...common, messages: all, ...goesOn, ...probabilities } };
}

// The last messages that have room for themselves in so many tokens, beginning with somebody's words; what holds for the whole
// conversation is always there.
async function inSight(server, model, all, most) {
    const system = all[0]?.role === "system" ? [all[0]] : [];
    let rest = all.slice(system.length);
    for (;;) {
        const written = await server.written(model.id, [...system, ...rest]);
        const count = (await server.ids(model.id, written, true)).length;
        const next = rest.findIndex((message, i) => i > 0 && message.role === "user");
        if (count <= most || next < 0) return [...system, ...rest];
        rest = rest.slice(next);
    }
}
