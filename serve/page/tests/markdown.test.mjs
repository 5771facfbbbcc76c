import assert from "node:assert/strict";
import { test } from "node:test";

import { blocks } from "../blocks.js";
import { inline } from "../inline.js";

// A tree in short: `<tag: …>`, and what is text in quotes.
function short(node) {
    if (typeof node === "string") return JSON.stringify(node);
    const { tag, children = [], ...more } = node;
    const extra = Object.entries(more).filter(([, value]) => value !== "" && !Number.isNaN(value));
    const name = [tag, ...extra.map(([key, value]) => `${key}=${value}`)].join(" ");
    return `<${[name, ...children.map(short)].join(" ")}>`;
}
const line = (text) => inline(text).map(short).join(" ");
const page = (text) =>
    blocks(text)
        .map(({ node }) => short(node))
        .join("\n");
const words = (node) => (typeof node === "string" ? node : (node.children ?? []).map(words).join(""));
const deepest = (nodes) => nodes.reduce((most, node) => Math.max(most, depth(node)), 0);
const depth = (node) => (typeof node === "string" ? 0 : 1 + deepest(node.children ?? []));

test("inside of a line", () => {
    for (const [text, expected] of [
        ["a *b* **c** ***d***", '"a " <em "b"> " " <strong "c"> " " <em <strong "d">>'],
        ["_a_ snake_case_name __b__ 2*3*4", '<em "a"> " snake_case_name " <strong "b"> " 2" <em "3"> "4"'],
        ["* a * b _ c", '"* a * b _ c"'],
        ["**a *b* c", '"**a " <em "b"> " c"'],
        ["~~a~~ ~b~", '<del "a"> " ~b~"'],
        ["`a *b*` ``c ` d`` `e", '<code "a *b*"> " " <code "c ` d"> " `e"'],
        ["\\*a\\* \\\\ \\a", '"*a* \\\\ \\\\a"'],
        ["[a *b*](https://x.example/c_(d)) e", '<a href=https://x.example/c_(d) "a " <em "b">> " e"'],
        ['[a](<https://x.example/b c> "t")', '<a href=https://x.example/b%20c "a">'],
        ["<https://x.example>.", '<a href=https://x.example/ "https://x.example"> "."'],
        [
            "see https://x.example/a_b_c, or (http://y.example).",
            '"see " <a href=https://x.example/a_b_c "https://x.example/a_b_c"> ", or (" <a href=http://y.example/ "http://y.example"> ")."',
        ],
        ["![cat](https://x.example/c.png)", '<a href=https://x.example/c.png "image: " "cat">'],
        ["[![a *b*](http://x)](http://y)", '<a href=http://y/ "image: a b">'],
        ["[[a](http://x)](http://y)", '"[" <a href=http://x/ "a"> "](" <a href=http://y/ "http://y"> ")"'],
        ["a\nb", '"a\\nb"'],
    ]) {
        assert.equal(line(text), expected, text);
    }
});

test("what is no address of the web is no link, and HTML is text", () => {
    for (const text of [
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html,x)",
        "[a](//evil.example)",
        "[a](\u0001javascript:x)",
        "[a]( javascript:x)",
        "<javascript:x>",
        "[a](vbscript:x)",
        "[a](file:///etc/passwd)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "&lt;b&gt;",
    ]) {
        assert.ok(!line(text).includes("<a "), line(text));
        assert.equal(words({ children: inline(text) }), text);
    }
});

test("blocks", () => {
    for (const [text, expected] of [
        ["# a\n###### b ##\n####### c\n#d", '<h1 "a">\n<h6 "b">\n<p "####### c\\n#d">'],
        ["a\nb\n\nc", '<p "a\\nb">\n<p "c">'],
        ["***\n- - -\n__ _", "<hr>\n<hr>\n<hr>"],
        ["> a\n> > b\nc", '<blockquote <p "a"> <blockquote <p "b">>>\n<p "c">'],
        ["```rust x\nfn a() {}\n\n  b\n```\nc", '<pre language=rust "fn a() {}\\n\\n  b">\n<p "c">'],
        ["~~~\n```\n~~~~", '<pre "```">'],
        ["```\nopen", '<pre "open">'],
        ["- a\n- b\n  c\n\n- d", '<ul <li <p "a">> <li <p "b\\nc">> <li <p "d">>>'],
        ["- a\n  - b\n    - c\n- d", '<ul <li "a" <ul <li "b" <ul <li "c">>>>> <li "d">>'],
        ["3. a\n  - b\n4. c", '<ol start=3 <li "a" <ul <li "b">>> <li "c">>'],
        ["- a\n+ b", '<ul <li "a">>\n<ul <li "b">>'],
        ["- a\n\n      b\n\nc", '<ul <li "a" "b">>\n<p "c">'],
        ["- ```\n  x\n  ```", '<ul <li <pre "x">>>'],
        [
            "|a|b|\n|:-|-:|\n|c\\|d|`e`|\n|f|\n\ng",
            '<table <thead <tr <th align=start "a"> <th align=end "b">>> <tbody <tr <td align=start "c|d"> <td align=end <code "e">>> <tr <td align=start "f"> <td align=end>>>>\n<p "g">',
        ],
        ["a | b\nc", '<p "a | b\\nc">'],
    ]) {
        assert.equal(page(text), expected, text);
    }
});

test("a text that grows changes its last block only", () => {
    const text = "# a\n\nb *c*\nd\n\n- e\n  - f\n\n- g\n\n| h | i |\n|-|-|\n| j | k |\n\n```\nl\n\nm\n```\n> n\n\no";
    const whole = blocks(text);
    for (let i = 1; i < text.length; i += 1) {
        const some = blocks(text.slice(0, i));
        if (some.length === 0) continue;
        const { start } = some.at(-1);
        const rest = blocks(text.slice(start)).map(({ start: at, node }) => ({ start: at + start, node }));
        assert.deepEqual([...some.slice(0, -1), ...rest], whole, `cut at ${i}`);
    }
});

test("no text takes long, nor makes a tree that is deep", () => {
    const many = (text, count = 40_000) => text.repeat(count);
    for (const [name, text] of Object.entries({
        quotes: many(">"),
        quoteLines: many("> > > > > > > > > >\n", 4_000),
        lists: Array.from({ length: 2_000 }, (_, i) => `${" ".repeat(2 * i)}- a`).join("\n"),
        inlineLists: many("- "),
        stars: many("*a ", 6_000),
        nestedStars: many("*a ", 3_000) + many("a* ", 3_000),
        mixed: many("*a _b ", 1_600) + many("b_ a* ", 1_600),
        triples: many("***a** b* ", 1_900),
        brackets: many("[", 19_000),
        links: many("[a](", 4_900),
        closed: many("[", 9_000) + many("](https://x.example)", 500),
        linkedStars: many("![*", 1_200) + many("*](http://x)", 1_200),
        falseLinks: many("*[", 2_500) + many("](a)*", 2_500),
        images: many("![", 1_500) + many("](http://x)", 1_500),
        ticks: Array.from({ length: 190 }, (_, i) => "`".repeat(i + 1)).join(" "),
        spaces: `a${many(" ", 19_000)}b`,
        hashes: `# ${many("# ", 19_000)}x`,
        rules: many("- - ", 100_000),
        table: `${many("|a", 10_000)}\n${many("|-", 10_000)}`,
        tables: many("a|b\n-|-\n", 20_000),
        pipes: many("|\n", 50_000),
        blank: `- a${many("\n", 200_000)}x`,
        fences: many("```\n", 50_000),
        addresses: many("http://", 2_500),
        tails: `http://a${many(")", 19_000)}`,
        line: many("a", 1_000_000),
        words: many("a b\n", 250_000),
    })) {
        const begun = performance.now();
        const found = deepest(blocks(text).map(({ node }) => node));
        const took = performance.now() - begun;
        assert.ok(took < 1_500, `${name} took ${took} ms`);
        assert.ok(found <= 40, `${name} is ${found} deep`);
    }
});
