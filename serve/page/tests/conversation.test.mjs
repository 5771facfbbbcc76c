import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation, fromFile, toFile } from "../conversation.js";
import { ROOT } from "../tree.js";

function example() {
    const one = new Conversation({ mode: "conversation", system: "Be\nbrief" });
    const said = one.tree.add(ROOT, { role: "user", text: "\n  Who goes there?\nSay." });
    one.tree.add(said.id, {
        role: "assistant",
        text: "I",
        ended: "stop",
        figures: { seed: 3, model: "m" },
        tokens: [["I", -1, [["I", -1]]]],
    });
    one.tree.add(said.id, { role: "assistant", text: "You" });
    return one;
}

test("what is exported comes back, as a conversation of its own", () => {
    const one = example();
    const [back] = fromFile(toFile([one]));
    assert.notEqual(back.id, one.id);
    assert.deepEqual({ ...back.kept(), id: one.id }, one.kept());
});

test("files that are none of ours are refused, with a sentence", () => {
    const good = JSON.parse(toFile([example()]));
    const broken = (change) => {
        const file = structuredClone(good);
        change(file, file.conversations[0], file.conversations[0]?.tree.nodes);
        return JSON.stringify(file);
    };
    for (const [text, why] of [
        ["{", /not JSON/],
        ["null", /no conversations/],
        ['{"format":"tercet conversations"}', /no conversations/],
        [broken((file) => (file.version = 2)), /another version/],
        [broken((file) => (file.conversations = [null])), /1 of the file is damaged/],
        [broken((_, one) => (one.mode = "other")), /damaged/],
        [broken((_, one) => (one.system = 4)), /damaged/],
        [broken((_, one) => (one.tree.nodes = {})), /damaged/],
        [broken((_, __, nodes) => (nodes[0].text = null)), /damaged/],
        [broken((_, __, nodes) => (nodes[0].role = "system")), /damaged/],
        [broken((_, __, nodes) => (nodes[0].parent = 2)), /damaged/],
        [broken((_, __, nodes) => (nodes[1].id = 1)), /damaged/],
        [broken((_, __, nodes) => (nodes[1].id = 0)), /damaged/],
    ]) {
        assert.throws(() => fromFile(text), { message: why }, text);
    }
    // What does not belong is left out, and what cannot be true.
    const [odd] = fromFile(
        broken((_, one, nodes) => {
            nodes[1].figures = { seed: "x", model: "m", rate: 2 };
            nodes[1].tokens[0][0] = "other";
            nodes[1].onclick = "alert(1)";
            one.tree.picks = { 1: 99, 0: 1 };
        }),
    ).map((one) => one.kept().tree);
    assert.deepEqual(odd.nodes[1], { id: 2, parent: 1, role: "assistant", text: "I", ended: "stop", figures: { model: "m", rate: 2 } });
    assert.deepEqual(odd.picks, { 0: 1 });
});

test("a conversation is called by its title, or by what was said first", () => {
    const one = example();
    assert.equal(one.name(), "Who goes there?");
    assert.equal(new Conversation({ mode: "notebook" }).name(), "Untitled");
    assert.equal(new Conversation({ mode: "notebook", draft: "\u{1f980}".repeat(100) }).name(), `${"\u{1f980}".repeat(59)}\u2026`);
    one.title = "Guards";
    assert.equal(one.name(), "Guards");
});

test("the branch that is seen can be read as Markdown", () => {
    assert.equal(example().markdown(), "# Who goes there?\n\n> Be\n> brief\n\n**You**\n\nWho goes there?\nSay.\n\n**Model**\n\nYou\n");
});
