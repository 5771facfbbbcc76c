import assert from "node:assert/strict";
import { test } from "node:test";

import { ROOT, Tree } from "../tree.js";

const say = (tree, parent, text, role = "user") => tree.add(parent, { role, text });
const seen = (tree) => tree.path().map((node) => node.text);

test("what is written anew is a version, and the other branch is as it was", () => {
    const tree = new Tree();
    const first = say(tree, ROOT, "a");
    const answer = say(tree, first.id, "b", "assistant");
    say(tree, answer.id, "c");
    const edited = say(tree, ROOT, "A");
    assert.deepEqual(seen(tree), ["A"]);
    say(tree, edited.id, "B", "assistant");
    assert.equal(tree.step(edited, -1), first);
    assert.deepEqual(seen(tree), ["a", "b", "c"]);
    assert.deepEqual(tree.versions(first), [first, edited]);
    assert.equal(tree.step(first, -1), undefined);
    assert.deepEqual(seen(tree), ["a", "b", "c"]);
    tree.step(first, 1);
    assert.deepEqual(seen(new Tree(structuredClone(tree.kept()))), ["A", "B"]);
});

test("a branch may end before its last node, and goes on from there", () => {
    const tree = new Tree();
    const first = say(tree, ROOT, "a");
    say(tree, first.id, "b");
    tree.cut(first.id);
    assert.deepEqual(seen(tree), ["a"]);
    assert.deepEqual(seen(new Tree(tree.kept())), ["a"]);
    const other = say(tree, first.id, "c");
    assert.deepEqual(seen(tree), ["a", "c"]);
    tree.remove(other);
    assert.deepEqual(seen(tree), ["a", "b"]);
});

test("a text that somebody typed keeps the pieces that it begins with", () => {
    const tree = new Tree();
    const adopt = (text) => {
        const last = tree.adopt(text);
        assert.equal(tree.text(), text);
        assert.equal(tree.path().at(-1), last);
        return tree.path().map((node) => `${node.role[0]}:${node.text}`);
    };
    assert.deepEqual(adopt(""), []);
    assert.deepEqual(adopt("ROMEO:"), ["u:ROMEO:"]);
    say(tree, 1, " who is there?", "assistant");
    assert.deepEqual(adopt("ROMEO: who is there?"), ["u:ROMEO:", "a: who is there?"]);
    assert.deepEqual(adopt("ROMEO: who is there? I am."), ["u:ROMEO:", "a: who is there?", "u: I am."]);
    // Cut inside of what the model wrote: it is still the model's.
    assert.deepEqual(adopt("ROMEO: who"), ["u:ROMEO:", "a: who"]);
    assert.deepEqual(adopt("ROMEO:"), ["u:ROMEO:"]);
    assert.deepEqual(adopt("ROMEO: whose"), ["u:ROMEO:", "u: whose"]);
    assert.deepEqual(adopt("JULIET:"), ["u:JULIET:"]);
    assert.deepEqual(adopt(""), []);
    const size = tree.size;
    assert.deepEqual(adopt(""), []);
    assert.equal(tree.size, size);
});
