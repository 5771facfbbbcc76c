// What is inside a line of Markdown: emphasis, code, links. Text in, a tree of plain objects out: strings, and `{ tag, children, href }`.
// HTML is text like any other, and a line break one. Every loop is bounded by the text's length, whoever wrote it, and so is the depth of what comes out.

// Longer texts are left as they are: no sentence has so many characters.
const TEXT_MAX = 20_000;
const HREF_MAX = 2_048;
const DEPTH_MAX = 8;

const SPECIAL = /[\\`<[\]!*_~]/g;
const SPACE = /^$|\s/u;
const SIGN = /[\p{P}\p{S}]/u;
const ADDRESS = /https?:\/\/[^\s<>"'`\\]+/g;

// The address of a link that may be followed: of the web, and nothing else.
export function address(href) {
    if (href.length > HREF_MAX || !/^https?:\/\//i.test(href)) return undefined;
    try {
        return new URL(href);
    } catch {
        return undefined;
    }
}

// See the top of this file.
export function inline(text) {
    return text.length > TEXT_MAX ? [text] : new Line(text).parse();
}

class Line {
    #text;
    #at = 0;
    // Strings, nodes, runs of marks `{ mark, count, opens, closes }`, and brackets `{ bracket, active }`.
    #items = [];
    #brackets = [];
    #ticks;

    constructor(text) {
        this.#text = text;
    }

    parse() {
        while (this.#at < this.#text.length) {
            SPECIAL.lastIndex = this.#at;
            const next = SPECIAL.exec(this.#text)?.index ?? this.#text.length;
            if (next > this.#at) this.#items.push(this.#text.slice(this.#at, next));
            this.#at = next;
            if (next < this.#text.length) this.#special(this.#text[next]);
        }
        return emphasized(this.#items).flatMap(linked);
    }

    #take(count, item) {
        this.#at += count;
        this.#items.push(item);
    }

    #special(sign) {
        switch (sign) {
            case "\\": {
                const next = this.#text[this.#at + 1];
                const escaped = next !== undefined && next.charCodeAt(0) < 128 && SIGN.test(next);
                return escaped ? this.#take(2, next) : this.#take(1, "\\");
            }
            case "`":
                return this.#code();
            case "<": {
                const end = this.#text.slice(this.#at, this.#at + HREF_MAX).search(/[\s>]/);
                const href = end > 0 ? this.#text.slice(this.#at + 1, this.#at + end) : "";
                const whole = this.#text[this.#at + end] === ">" && address(href);
                return whole ? this.#take(end + 1, { tag: "a", href: whole.href, children: [href] }) : this.#take(1, "<");
            }
            case "!":
                return this.#text[this.#at + 1] === "[" ? this.#open("![") : this.#take(1, "!");
            case "[":
                return this.#open("[");
            case "]":
                return this.#close();
            default:
                return this.#run(sign);
        }
    }

    #open(bracket) {
        this.#brackets.push(this.#items.length);
        this.#take(bracket.length, { bracket, active: true });
    }

    #close() {
        const first = this.#brackets.pop();
        const { bracket, active } = this.#items[first] ?? {};
        const target = active ? this.#target(this.#at + 1) : undefined;
        const whole = target && address(target.href);
        // What is no address of the web stays as it was written.
        if (!whole) return this.#take(1, "]");
        // A link inside a link would be two at once.
        if (bracket === "[") this.#brackets.forEach((at) => (this.#items[at].active = false));
        const inside = emphasized(this.#items.splice(first).slice(1)).map(unlinked);
        const children = bracket === "![" ? ["image: ", ...inside] : inside;
        this.#take(target.end - this.#at, { tag: "a", href: whole.href, children });
    }

    // `(href "title")`, from its parenthesis.
    #target(from) {
        if (this.#text[from] !== "(") return undefined;
        const some = this.#text.slice(from, from + HREF_MAX);
        const angled = /^\(\s*<([^<>\n]*)>(?:\s+"[^"\n]*")?\s*\)/.exec(some);
        if (angled) return { href: angled[1], end: from + angled[0].length };
        let depth = 0;
        for (let i = 1; i < some.length; i += 1) {
            if (/\s/.test(some[i])) {
                const title = /^\s+(?:"[^"\n]*"|'[^'\n]*')\s*\)/.exec(some.slice(i));
                return title && depth === 0 ? { href: some.slice(1, i), end: from + i + title[0].length } : undefined;
            }
            if (some[i] === "(") depth += 1;
            if (some[i] === ")" && (depth -= 1) < 0) return { href: some.slice(1, i), end: from + i + 1 };
        }
        return undefined;
    }

    #code() {
        const length = runLength(this.#text, this.#at);
        const end = this.#tickRun(length, this.#at + length);
        if (end === undefined) return this.#take(length, "`".repeat(length));
        let code = this.#text.slice(this.#at + length, end).replaceAll("\n", " ");
        if (code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "") code = code.slice(1, -1);
        this.#take(end + length - this.#at, { tag: "code", children: [code] });
    }

    // Where the next run of so many backticks is. All runs are found once, and each is passed by once.
    #tickRun(length, from) {
        if (!this.#ticks) {
            this.#ticks = new Map();
            for (let i = this.#text.indexOf("`"); i >= 0;) {
                const run = runLength(this.#text, i);
                if (!this.#ticks.has(run)) this.#ticks.set(run, { next: 0, at: [] });
                this.#ticks.get(run).at.push(i);
                i = this.#text.indexOf("`", i + run);
            }
        }
        const runs = this.#ticks.get(length);
        while (runs.at[runs.next] < from) runs.next += 1;
        return runs.at[runs.next];
    }

    // A run of `*`, `_` or `~`, which may begin or end emphasis by what stands beside it.
    #run(mark) {
        const count = runLength(this.#text, this.#at);
        // Of a pair of surrogates either half will do: neither is a space or a sign.
        const [before, after] = [this.#text[this.#at - 1] ?? "", this.#text[this.#at + count] ?? ""];
        const leads = !SPACE.test(after) && (!SIGN.test(after) || SPACE.test(before) || SIGN.test(before));
        const trails = !SPACE.test(before) && (!SIGN.test(before) || SPACE.test(after) || SIGN.test(after));
        const opens = leads && (mark !== "_" || !trails || SIGN.test(before));
        const closes = trails && (mark !== "_" || !leads || SIGN.test(after));
        const emphasis = (opens || closes) && (mark !== "~" || count === 2);
        this.#take(count, emphasis ? { mark, count, opens, closes, begins: [], ends: [] } : mark.repeat(count));
    }
}

function runLength(text, at) {
    let end = at + 1;
    while (text[end] === text[at]) end += 1;
    return end - at;
}

// Pairs the runs of marks, then nests what is between them.
function emphasized(items) {
    const open = [];
    // Below this no opener of a mark is left.
    const bottom = { "*": 0, _: 0, "~": 0 };
    for (const item of items) {
        if (!item.mark) continue;
        while (item.closes && item.count > 0) {
            let at = open.length - 1;
            while (at >= bottom[item.mark] && open[at].mark !== item.mark) at -= 1;
            if (at < bottom[item.mark]) {
                bottom[item.mark] = open.length;
                break;
            }
            const opener = open[at];
            const used = Math.min(opener.count, item.count, 2);
            const tag = item.mark === "~" ? "del" : used === 2 ? "strong" : "em";
            opener.begins.unshift(tag);
            item.ends.push(tag);
            opener.count -= used;
            item.count -= used;
            open.length = opener.count > 0 ? at + 1 : at;
            for (const mark of Object.keys(bottom)) bottom[mark] = Math.min(bottom[mark], open.length);
        }
        if (item.opens && item.count > 0) open.push(item);
    }
    const root = { children: [] };
    const stack = [root];
    for (const item of items) {
        if (item.mark) {
            for (const _ of item.ends) stack.pop();
            add(stack.at(-1), item.mark.repeat(item.count));
            for (const tag of item.begins) {
                const node = { tag, children: [] };
                // Beyond some depth the marks go and nothing is nested, so that no text makes a tree that is too deep to be drawn.
                const deep = stack.length > DEPTH_MAX;
                if (!deep) stack.at(-1).children.push(node);
                stack.push(deep ? stack.at(-1) : node);
            }
        } else {
            add(stack.at(-1), item.bracket ?? item);
        }
    }
    return root.children;
}

function add(node, item) {
    const last = node.children.length - 1;
    if (item === "") return;
    if (typeof item === "string" && typeof node.children[last] === "string") node.children[last] += item;
    else node.children.push(item);
}

// Images in a link, which are shown as links, are words there.
function unlinked(item) {
    if (typeof item === "string" || !item.children) return item;
    return item.tag === "a" ? words(item) : { ...item, children: item.children.map(unlinked) };
}

function words(item) {
    return typeof item === "string" ? item : (item.children ?? []).map(words).join("");
}

// Makes links of bare addresses.
function linked(item) {
    if (typeof item === "string") return bare(item);
    const keeps = !item.children || item.tag === "a" || item.tag === "code";
    return [keeps ? item : { ...item, children: item.children.flatMap(linked) }];
}

function bare(text) {
    const out = [];
    let from = 0;
    for (const { 0: match, index } of text.matchAll(ADDRESS)) {
        let end = match.length;
        // What ends a sentence is no part of an address, nor is a parenthesis that was open before.
        while (/[.,:;!?*_~)\]]/.test(match[end - 1]) && !(match[end - 1] === ")" && match.slice(0, end).includes("("))) end -= 1;
        const whole = address(match.slice(0, end));
        if (!whole) continue;
        if (index > from) out.push(text.slice(from, index));
        out.push({ tag: "a", href: whole.href, children: [match.slice(0, end)] });
        from = index + end;
    }
    if (from < text.length) out.push(text.slice(from));
    return out;
}
