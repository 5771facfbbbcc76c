// The official `openai` package of JavaScript as a client: models, both kinds of completion, pieces, helpers, errors by class.
// Usage: node openai_client.mjs URL KEY, with the package where Node finds it.

import assert from "node:assert/strict";
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const model = "shakespeare";
const messages = [{ role: "user", content: "Who goes there?" }];

const found = [];
for await (const one of await client.models.list()) found.push(one.id);
assert.deepEqual(found, [model]);

const text = { model, prompt: "ROMEO:", max_tokens: 24, temperature: 0 };
const whole = await client.completions.create(text);
let joined = "";
for await (const piece of await client.completions.create({ ...text, stream: true })) joined += piece.choices[0].text;
assert.equal(joined, whole.choices[0].text);

const ask = { model, messages, max_completion_tokens: 16, temperature: 0 };
const answer = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 });
assert.equal(answer.choices[0].logprobs.content.length, 16);
// The helper throws where a role or a reason to end is missing.
const content = answer.choices[0].message.content;
const stop = content.slice(10, 12);
const stream = client.chat.completions.stream({ ...ask, stop });
let pieces = 0;
stream.on("content", () => (pieces += 1));
const final = await stream.finalChatCompletion();
assert.equal(final.choices[0].message.content, content.split(stop)[0]);
assert.equal(final.choices[0].finish_reason, "stop");
assert.ok(pieces > 1);

const classes = [
    [OpenAI.NotFoundError, "model_not_found", client, { model: "gpt-4" }],
    [OpenAI.BadRequestError, "invalid_value", client, { temperature: 1000 }],
    [OpenAI.AuthenticationError, "invalid_api_key", client.withOptions({ apiKey: "wrong" }), {}],
];
for (const [kind, code, by, more] of classes) {
    await assert.rejects(by.completions.create({ ...text, ...more }), (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.equal(error.code, code);
        return true;
    });
}

const long = await client.completions.create({ ...text, max_tokens: 480, stream: true, ignore_eos: true });
let seen = 0;
for await (const _ of long) if (++seen === 10) break;
assert.equal(seen, 10);

const many = await Promise.all(Array.from({ length: 100 }, () => client.completions.create(text)));
assert.ok(many.every((one) => one.choices[0].text === whole.choices[0].text));
console.log("openai for JavaScript: all of it is understood");
