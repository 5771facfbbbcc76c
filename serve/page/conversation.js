// A conversation or a notebook as it is kept: what it is called, what holds for all of it, and the tree of what was said. Also what it is
// as a file, for whoever wants to keep or move it, and as Markdown, for whoever wants to read it.

import { ROOT, Tree } from "./tree.js";

const FORMAT = "tercet conversations";
const VERSION = 1;
// More than anybody has said to a model of this size, and less than what makes a browser stop.
const FILE_BYTES_MAX = 64 << 20;
const TITLE_MAX = 60;

export class Conversation {
    constructor({
        id = newId(),
        mode,
        title = null,
        system = "",
        draft = "",
        slides = false,
        created = Date.now(),
        changed = created,
        tree,
    } = {}) {
        Object.assign(this, { id, mode, title, system, draft, slides, created, changed });
        this.tree = new Tree(tree);
    }

    // As it is listed: by its title, or what was said first.
    name() {
        const first = this.tree.path()[0]?.text ?? this.draft;
        const line =
            first
                .split("\n")
                .find((words) => words.trim() !== "")
                ?.trim() ?? "";
        return this.title ?? (line === "" ? "Untitled" : shortened(line));
    }

    // Whether nothing would be lost with it.
    isEmpty() {
        return this.tree.size === 0 && this.draft.trim() === "" && this.title === null;
    }

    // What a database or a file holds; made anew by the constructor.
    kept() {
        const { id, mode, title, system, draft, slides, created, changed } = this;
        return { id, mode, title, system, draft, slides, created, changed, tree: this.tree.kept() };
    }

    // The branch that is seen, as Markdown.
    markdown() {
        if (this.mode === "notebook") return this.tree.text();
        const said = this.tree.path().map(({ role, text }) => `**${role === "user" ? "You" : "Model"}**\n\n${text.trim()}\n`);
        const system = this.system.trim() === "" ? [] : [`> ${this.system.trim().replaceAll("\n", "\n> ")}\n`];
        return [`# ${this.name()}\n`, ...system, ...said].join("\n");
    }
}

function shortened(line) {
    const characters = [...line.slice(0, 4 * TITLE_MAX)];
    return characters.length > TITLE_MAX
        ? `${characters
              .slice(0, TITLE_MAX - 1)
              .join("")
              .trimEnd()}\u2026`
        : line;
}

// Not `crypto.randomUUID`: browsers have it on this machine's own pages and over HTTPS only.
function newId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Conversations as a file.
export function toFile(conversations) {
    return JSON.stringify({ format: FORMAT, version: VERSION, conversations: conversations.map((one) => one.kept()) }, null, 1);
}

// The conversations of a file, as new ones: what is there already stays as it is. Throws an `Error` with a sentence for the reader if the
// file is none of ours.
export function fromFile(text) {
    if (text.length > FILE_BYTES_MAX) throw new Error("The file is too large; at most 64 MiB are read.");
    let file;
    try {
        file = JSON.parse(text);
    } catch {
        throw new Error("The file is not JSON. Choose one that was exported here.");
    }
    if (file?.format !== FORMAT || !Array.isArray(file.conversations))
        throw new Error("The file holds no conversations. Choose one that was exported here.");
    if (file.version !== VERSION) throw new Error("The file was written by another version of this page, which this one cannot read.");
    return file.conversations.map((one, i) => {
        const kept = checked(one);
        if (!kept) throw new Error(`Conversation ${i + 1} of the file is damaged. Nothing was imported.`);
        return new Conversation(kept);
    });
}

const isText = (value) => typeof value === "string";
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;

// A conversation without whatever is not of one; undefined if it is none.
function checked(one) {
    const { mode, title, system, draft, slides, created, changed, tree } = one ?? {};
    const modes = ["conversation", "notebook"];
    if (!modes.includes(mode) || !(title === null || isText(title)) || ![system, draft].every(isText)) return undefined;
    if (![created, changed].every(isCount) || !Array.isArray(tree?.nodes)) return undefined;
    const nodes = tree.nodes.map(checkedNode);
    // Each stands behind its parent, so there is no ring.
    const ids = new Set([ROOT]);
    for (const node of nodes) {
        if (!node || ids.has(node.id) || !ids.has(node.parent)) return undefined;
        ids.add(node.id);
    }
    const picks = {};
    for (const [parent, child] of Object.entries(tree.picks ?? {})) {
        if (ids.has(Number(parent)) && ids.has(child)) picks[parent] = child;
    }
    return { mode, title: title?.slice(0, 200) ?? null, system, draft, slides: slides === true, created, changed, tree: { nodes, picks } };
}

function checkedNode(node) {
    const { id, parent, role, text, ended, figures, tokens } = node ?? {};
    if (!isCount(id) || id === ROOT || !isCount(parent) || !["user", "assistant"].includes(role) || !isText(text)) return undefined;
    const out = { id, parent, role, text };
    if (isText(ended)) out.ended = ended;
    if (figures && typeof figures === "object") out.figures = checkedFigures(figures);
    if (Array.isArray(tokens) && tokens.every(isToken) && tokens.map(([token]) => token).join("") === text) out.tokens = tokens;
    return out;
}

const isLikely = (one) => Array.isArray(one) && isText(one[0]) && Number.isFinite(one[1]);
const isToken = (one) =>
    Array.isArray(one) && isText(one[0]) && (one[1] === null || Number.isFinite(one[1])) && Array.isArray(one[2]) && one[2].every(isLikely);

// Numbers, and the model's name.
function checkedFigures(figures) {
    const known = Object.entries(figures).filter(([name, value]) => (name === "model" ? isText(value) : Number.isFinite(value)));
    return Object.fromEntries(known);
}
