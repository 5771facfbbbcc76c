import assert from "node:assert/strict";
import { test } from "node:test";

import { bits, meanBits, spelled, surprise, TokenReader } from "../tokens.js";

test("tokens of a chat, whose characters may be made of several", () => {
    const reader = new TokenReader();
    const one = (bytes, logprob, top = []) => ({ token: "?", bytes, logprob, top_logprobs: top });
    const first = reader.read({
        logprobs: { content: [one([72, 105], -0.5, [one([72], -2), one([72, 105], -0.5)]), one([0xe2, 0x82], -1)] },
    });
    const second = reader.read({ logprobs: { content: [one([0xac, 33], -3, [one([0xac, 33], -3)])] } });
    assert.deepEqual(
        [...first, ...second],
        [
            [
                "Hi",
                -0.5,
                [
                    ["Hi", -0.5],
                    ["H", -2],
                ],
            ],
            ["", -1, []],
            ["\u20ac!", -3, [["\\xac\\x21", -3]]],
        ],
    );
});

test("tokens of a completion, whose parts of characters are written as bytes", () => {
    const reader = new TokenReader();
    const logprobs = {
        tokens: ["A", "bytes:\\xe2\\x82", "bytes:\\xac", "bytes: x"],
        token_logprobs: [null, -1, -2, -3],
        top_logprobs: [null, { a: -4, "bytes:\\xe2\\x82": -1 }, { "bytes:\\xac": -2 }, {}],
    };
    assert.deepEqual(reader.read({ logprobs }), [
        ["A", null, []],
        [
            "",
            -1,
            [
                ["\\xe2\\x82", -1],
                ["a", -4],
            ],
        ],
        ["\u20ac", -2, [["\\xac", -2]]],
        ["bytes: x", -3, []],
    ]);
    assert.deepEqual(reader.read({ logprobs: null }), []);
});

test("surprise is counted in bits of what is known", () => {
    assert.equal(bits(Math.log(0.5)), 1);
    assert.equal(surprise(0), 0);
    assert.equal(surprise(-100), 1);
    assert.equal(
        meanBits([
            ["a", Math.log(0.5), []],
            ["b", null, []],
            ["c", 3 * Math.log(0.5), []],
        ]),
        2,
    );
    assert.equal(meanBits([["a", null, []]]), undefined);
});

test("a space can be seen where a token stands alone", () => {
    assert.deepEqual([" a b", "\n", "", "\t "].map(spelled), ["\u00b7a b", "\u21b5", "\u2205", "\u21e5\u00b7"]);
});
