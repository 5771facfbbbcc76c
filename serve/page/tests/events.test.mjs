import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser } from "../events.js";

function parsed(pieces) {
    const [events, comments] = [[], []];
    const parser = new EventParser(
        (data) => events.push(data),
        (comment) => comments.push(comment),
    );
    pieces.forEach((piece) => parser.push(piece));
    return { events, comments };
}

const stream = 'data: {"a":1}\r\n\r\n: prompt 3 of 7\n\ndata:two\ndata: lines\n\nevent: x\nid: 4\rdata: cr\r\rdata: [DONE]\n\ndata: cut';

test("events are the same wherever the pieces are cut", () => {
    const whole = parsed([stream]);
    assert.deepEqual(whole, { events: ['{"a":1}', "two\nlines", "cr", "[DONE]"], comments: ["prompt 3 of 7"] });
    for (let i = 0; i < stream.length; i += 1) {
        for (let j = i; j < stream.length; j += 1) {
            assert.deepEqual(parsed([stream.slice(0, i), stream.slice(i, j), stream.slice(j)]), whole, `${i} ${j}`);
        }
    }
    assert.deepEqual(parsed([...stream]), whole);
});

test("a line of megabytes in many pieces takes no longer than its length", () => {
    const begun = performance.now();
    const { events } = parsed(["data: ", ...Array.from({ length: 50_000 }, () => "x".repeat(100)), "\n\n"]);
    assert.equal(events[0].length, 5_000_000);
    assert.ok(performance.now() - begun < 2_000);
});
