import assert from "node:assert/strict";
import { test } from "node:test";

import { append, settle } from "../growing.js";

const grown = (node, ...pieces) => {
    for (const [text, tokens] of pieces) append(node, text, tokens);
    settle(node);
    return node;
};

test("tokens come after the text that they are, and are all of it in the end", () => {
    const pieces = [
        ["a", []],
        ["b", [["ab", -1, []]]],
        ["", []],
        ["c", [["c", -2, []]]],
    ];
    assert.deepEqual(grown({ text: "" }, ...pieces), {
        text: "abc",
        tokens: [
            ["ab", -1, []],
            ["c", -2, []],
        ],
    });
});

test("what was written without tokens is a piece that nothing is known of", () => {
    const node = grown({ text: "before" }, [" x", [[" x", -1, []]]]);
    assert.deepEqual(node.tokens, [
        ["before", null, []],
        [" x", -1, []],
    ]);
    grown(node, [" after", null]);
    assert.deepEqual(node.tokens, [
        ["before", null, []],
        [" x", -1, []],
        [" after", null, []],
    ]);
    assert.equal(grown({ text: "" }, ["a", null]).tokens, undefined);
    // An answer that ended before any was told of.
    assert.equal(grown({ text: "" }, ["a", []]).tokens, undefined);
});

test("a string that ended the text is cut out of its last tokens", () => {
    const node = grown(
        { text: "" },
        ["ab", [["ab", -1, []]]],
        [
            "c",
            [
                ["cEN", -2, []],
                ["D!", -3, []],
            ],
        ],
    );
    assert.deepEqual(node, {
        text: "abc",
        tokens: [
            ["ab", -1, []],
            ["c", -2, []],
        ],
    });
    // A character that never became whole.
    assert.deepEqual(grown({ text: "" }, ["a\ufffd", [["a", -1, []]]]).tokens, [
        ["a", -1, []],
        ["\ufffd", null, []],
    ]);
    // Tokens of another text are none of this one's.
    assert.equal(grown({ text: "" }, ["ab", [["xy", -1, []]]]).tokens, undefined);
});
