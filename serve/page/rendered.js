// A text in Markdown as elements, which grows as the text does: only its last block is made anew. Whatever the text is, it stays quick:
// beyond some length it is shown as it is.

import { blocks } from "./blocks.js";
import { copyText, el, iconButton } from "./dom.js";

// Characters that are looked at for Markdown; elements of a block; characters of a piece of plain text, so that a line of a megabyte is
// laid out in pieces.
const RICH_MAX = 60_000;
const ELEMENTS_MAX = 6_000;
const PIECE = 4_000;

const TAGS = new Set([
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "blockquote",
    "ul",
    "ol",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "em",
    "strong",
    "del",
    "code",
    "a",
    "pre",
]);

export class Rendered {
    element = el("div", { className: "rendered", dir: "auto" });
    #text = "";
    // The blocks that are shown, each with where it begins in the text.
    #blocks = [];
    #plain = null;

    // Shows this text.
    set(text) {
        if (text === this.#text) return;
        if (!text.startsWith(this.#text)) this.#clear();
        const rich = text.length <= RICH_MAX ? text.length : text.lastIndexOf("\n", RICH_MAX) + 1 || RICH_MAX;
        if (!this.#plain) this.#grow(text.slice(0, rich));
        if (rich < text.length) this.#rest(text, rich);
        this.#text = text;
    }

    #clear() {
        this.element.replaceChildren();
        [this.#text, this.#blocks, this.#plain] = ["", [], null];
    }

    #grow(text) {
        const last = this.#blocks.pop();
        last?.element.remove();
        const from = last?.start ?? 0;
        for (const { start, node } of blocks(text.slice(from))) {
            const element = made(node);
            this.#blocks.push({ start: start + from, element });
            this.element.append(element);
        }
    }

    #rest(text, from) {
        if (!this.#plain) {
            this.#plain = { element: el("div", { className: "plain" }), end: from };
            this.element.append(this.#plain.element);
        }
        while (this.#plain.end < text.length) {
            const { element, end } = this.#plain;
            let piece = element.lastElementChild;
            if (!piece || piece.textContent.length >= PIECE) {
                piece = el("span");
                element.append(piece);
            }
            const room = PIECE - piece.textContent.length;
            piece.append(text.slice(end, end + room));
            this.#plain.end = Math.min(text.length, end + room);
        }
    }
}

// The elements of a block.
function made(node) {
    const budget = { left: ELEMENTS_MAX };
    return element(node, budget);
}

function element(node, budget) {
    if (typeof node === "string") return document.createTextNode(node);
    if (!TAGS.has(node.tag)) throw new Error(`there is no ${node.tag} in Markdown`);
    budget.left -= 1;
    if (budget.left < 0) return document.createTextNode(words(node));
    if (node.tag === "pre") return code(node);
    const children = (node.children ?? []).map((child) => element(child, budget));
    if (node.tag === "a") return link(node, children);
    const made = el(node.tag, {}, ...children);
    if (node.tag === "ol" && node.start !== 1) made.start = node.start;
    if (node.align) made.className = node.align;
    // A table may be wider than the text.
    return node.tag === "table" ? el("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": "Table" }, made) : made;
}

function words(node) {
    if (typeof node === "string") return node;
    const text = (node.children ?? []).map(words).join("");
    return ["li", "p", "tr"].includes(node.tag) ? `${text}\n` : text;
}

function code({ language, children }) {
    const text = children[0];
    const copy = iconButton("copy", "Copy the code", async () => {
        const done = await copyText(text);
        copy.dataset.done = done;
        copy.title = done ? "Copied" : "The browser does not let this page copy";
        setTimeout(() => {
            delete copy.dataset.done;
            copy.title = "Copy the code";
        }, 1_500);
    });
    const pre = el("pre", { tabIndex: 0 }, el("code", {}, text));
    return el("figure", { className: "code" }, el("figcaption", {}, el("span", {}, language || "code"), copy), pre);
}

// A link says where it leads, so that its words cannot lie; nothing is told there of where it was.
function link({ href, children: [first] }, children) {
    const { host } = new URL(href);
    const honest = typeof first === "string" && first.includes(host);
    const where = honest ? null : el("span", { className: "host" }, ` (${host})`);
    return el("span", {}, el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow", title: href }, ...children), where);
}
