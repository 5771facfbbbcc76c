import assert from "node:assert/strict";
import { test } from "node:test";

import { advice, Trouble } from "../trouble.js";

test("each trouble says what to do, and offers it where a button can", async () => {
    const refused = (status, code, param = null, more = {}) => new Trouble("refused", "why it is so", { status, code, param, ...more });
    for (const [trouble, action, todo] of [
        [new Trouble("gone", ""), "again", /still running/],
        [new Trouble("broken", ""), "again", /Go on/],
        [refused(401, "invalid_api_key"), "key", /./],
        [refused(400, "context_length_exceeded", "messages"), "shorten", /Why it is so\. Shorten/],
        [refused(429, "queue_full", null, { retryAfter: 3 }), "again", /in 3 s/],
        [refused(503, "shutting_down"), "again", /^Why it is so\.$/],
        [refused(404, "model_not_found", "model"), null, /another/],
        [refused(400, "invalid_value", "top_p"), "again", /settings/],
        [refused(413, "request_too_large"), null, /Why/],
        [refused(500, "server_error"), "again", /Why/],
    ]) {
        const said = advice(trouble);
        assert.equal(said.action, action, said.what);
        assert.match(said.todo, todo);
    }
});

test("a refusal is read from its answer, and what is no refusal of the server's too", async () => {
    const body = JSON.stringify({ error: { message: "no", type: "t", param: "p", code: "c" } });
    const ours = await Trouble.of(new Response(body, { status: 429, headers: { "retry-after": "2" } }));
    assert.deepEqual({ ...ours }, { kind: "refused", status: 429, code: "c", param: "p", retryAfter: 2 });
    for (const text of ["<html>502</html>", "null", "{}", '{"error":null}']) {
        const other = await Trouble.of(new Response(text, { status: 502, statusText: "Bad Gateway" }));
        assert.equal(other.message, "something on the way says 502 Bad Gateway", text);
    }
});
