// What a text in Markdown is made of: paragraphs, headings, lists, quotes, tables, code. Text in, a tree of plain objects out, as
// `inline` makes it. HTML, and whatever is nested too deep, is text like any other. A line break in a text stays one: models write verse.

import { inline } from "./inline.js";

const DEPTH_MAX = 6;
const COLUMNS_MAX = 40;
// Patterns that look at a whole line are for lines that a person could have written.
const LINE_MAX = 400;

const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?: |$)/;
const RULE = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const COLUMNS = /^ {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/;

// The blocks of a text, each with the character that it begins at: what stands behind the last one may yet change it, but none before.
export function blocks(text) {
    const lines = text.split("\n");
    const starts = [];
    let at = 0;
    for (const line of lines) {
        starts.push(at);
        at += line.length + 1;
    }
    return parse(lines, 0).map(({ line, node }) => ({ start: starts[line], node }));
}

function parse(lines, depth) {
    const out = [];
    let i = 0;
    while (i < lines.length) {
        if (isBlank(lines[i])) {
            i += 1;
            continue;
        }
        const [node, next] = block(lines, i, depth);
        out.push({ line: i, node });
        i = next;
    }
    return out;
}

const isBlank = (line) => line.trim() === "";
const short = (pattern, line) => (line.length <= LINE_MAX ? pattern.exec(line) : null);

// The block that begins here, and the line behind it.
function block(lines, i, depth) {
    const fence = short(FENCE, lines[i]);
    if (fence) return fenced(lines, i, fence);
    const heading = HEADING.exec(lines[i]);
    if (heading) {
        const words = lines[i].slice(heading[0].length).trim();
        const closed = short(/^(.*?)(?:^| )#+$/, words);
        return [{ tag: `h${heading[1].length}`, children: inline(closed ? closed[1].trim() : words) }, i + 1];
    }
    if (short(RULE, lines[i])) return [{ tag: "hr" }, i + 1];
    if (depth < DEPTH_MAX) {
        if (QUOTE.test(lines[i])) return quote(lines, i, depth);
        if (ITEM.test(lines[i])) return list(lines, i, depth);
    }
    return isTable(lines, i) ? table(lines, i) : paragraph(lines, i, depth);
}

// Whether a paragraph ends before this line.
function begins(lines, i, depth) {
    const line = lines[i];
    if (isBlank(line) || short(FENCE, line) || HEADING.test(line) || short(RULE, line)) return true;
    return (depth < DEPTH_MAX && (QUOTE.test(line) || ITEM.test(line))) || isTable(lines, i);
}

function paragraph(lines, i, depth) {
    let end = i + 1;
    while (end < lines.length && !begins(lines, end, depth)) end += 1;
    const words = lines.slice(i, end).map((line) => line.trim());
    return [{ tag: "p", children: inline(words.join("\n")) }, end];
}

function fenced(lines, i, [, indent, marks, info]) {
    const closes = (line) => {
        const end = line.trim();
        return line.length <= LINE_MAX && end.length >= marks.length && [...end].every((c) => c === marks[0]);
    };
    let end = i + 1;
    while (end < lines.length && !closes(lines[end])) end += 1;
    const code = lines.slice(i + 1, end).map((line) => line.slice(Math.min(indent.length, line.search(/[^ ]|$/))));
    const language = info.trim().split(/\s/)[0].slice(0, 40);
    return [{ tag: "pre", language, children: [code.join("\n")] }, end + 1];
}

function quote(lines, i, depth) {
    let end = i;
    while (end < lines.length && QUOTE.test(lines[end])) end += 1;
    const inside = lines.slice(i, end).map((line) => line.replace(QUOTE, ""));
    return [{ tag: "blockquote", children: parse(inside, depth + 1).map(({ node }) => node) }, end];
}

function list(lines, i, depth) {
    const kind = ITEM.exec(lines[i])[2].at(-1);
    const items = [];
    let loose = false;
    const first = Number.parseInt(lines[i].trim(), 10);
    for (;;) {
        const [item, next] = oneItem(lines, i, depth);
        items.push(item);
        const behind = past(lines, next);
        const marker = behind < lines.length ? ITEM.exec(lines[behind]) : null;
        if (marker?.[2].at(-1) !== kind || short(RULE, lines[behind])) {
            const node = { tag: Number.isNaN(first) ? "ul" : "ol", start: first, children: items.map((item) => entry(item, loose, depth)) };
            return [node, next];
        }
        loose ||= behind > next;
        i = behind;
    }
}

// The first line from here that is not blank.
function past(lines, i) {
    while (i < lines.length && isBlank(lines[i])) i += 1;
    return i;
}

// The lines of an item without what they are indented by, and the line behind it.
function oneItem(lines, i, depth) {
    const [all, indent, marker, space] = ITEM.exec(lines[i]);
    const offset = space.length > 4 ? indent.length + marker.length + 1 : all.length;
    const inside = [lines[i].slice(Math.min(offset, lines[i].length))];
    // Models indent by two what stands below `1.`, which takes three.
    const least = Math.min(offset, indent.length + 2);
    const unindented = (line) => line.slice(Math.min(offset, line.search(/[^ ]|$/)));
    for (i += 1; i < lines.length; i += 1) {
        const to = past(lines, i);
        const belongs = to < lines.length && lines[to].search(/[^ ]|$/) >= least;
        if (to > i) {
            if (!belongs) break;
            for (; i < to; i += 1) inside.push("");
        }
        if (!belongs && begins(lines, i, depth)) break;
        inside.push(belongs ? unindented(lines[i]) : lines[i].trimStart());
    }
    return [inside, i];
}

function entry(lines, loose, depth) {
    const nodes = parse(lines, depth + 1).map(({ node }) => node);
    return { tag: "li", children: loose ? nodes : nodes.flatMap((node) => (node.tag === "p" ? node.children : [node])) };
}

function isTable(lines, i) {
    const [head, columns] = [lines[i], lines[i + 1]];
    if (columns === undefined || !head.includes("|") || !columns.includes("-") || !short(COLUMNS, columns)) return false;
    const count = cells(columns).length;
    return head.length <= 10 * LINE_MAX && count <= COLUMNS_MAX && cells(head).length === count;
}

function table(lines, i) {
    const aligned = cells(lines[i + 1]).map((cell) => {
        const ends = (cell.startsWith(":") ? 1 : 0) + (cell.endsWith(":") ? 2 : 0);
        return ["", "start", "end", "center"][ends];
    });
    const row = (line, tag) => {
        const found = cells(line);
        const children = aligned.map((align, c) => ({ tag, align, children: inline(found[c] ?? "") }));
        return { tag: "tr", children };
    };
    const rows = [];
    let end = i + 2;
    for (; end < lines.length && !isBlank(lines[end]) && lines[end].includes("|"); end += 1) rows.push(row(lines[end], "td"));
    const head = { tag: "thead", children: [row(lines[i], "th")] };
    return [{ tag: "table", children: [head, { tag: "tbody", children: rows }] }, end];
}

// The cells of a line; `\|` is no border.
function cells(line) {
    const inside = line
        .trim()
        .replace(/^\|/, "")
        .replace(/(?<!\\)\|$/, "");
    return inside.split(/(?<!\\)\|/, COLUMNS_MAX + 1).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
