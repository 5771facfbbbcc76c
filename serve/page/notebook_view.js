// The notebook drawn: one text that the model goes on with, which can be typed in anywhere. What the model wrote is in its colour: the text
// itself lies below a field whose own letters cannot be seen, and each is as wide and as high as the other.

import { el, iconButton, setDirection } from "./dom.js";
import { TokensView } from "./tokens_view.js";
import { Versions } from "./versions.js";

export class NotebookView {
    page;
    below;
    #session;
    #field = el("textarea", {
        id: "write",
        "aria-label": "Text",
        placeholder: "A beginning, which the model goes on with",
        spellcheck: false,
    });
    #text = el("div", { className: "ink", "aria-hidden": "true" });
    #manuscript = el("div", { className: "manuscript" }, this.#text, this.#field);
    #tokens;
    #write = el("button", { type: "button", className: "primary", title: "Ctrl+Enter", onclick: () => this.#session.write() }, "Write");
    #stop = el("button", { type: "button", className: "primary stop", title: "Escape", onclick: () => this.#session.stop() }, "Stop");
    #again = iconButton("again", "Write the last piece again", () => this.#session.again(this.#lastWritten()));
    #versions = new Versions((by) => this.#session.step(this.#forked(), by));
    #shown = [];

    constructor(session, card, acts) {
        this.#session = session;
        this.#tokens = new TokensView(card, (index, token) => this.#rewrite(index, token));
        this.page = el("div", { className: "column notebook" }, this.#manuscript);
        this.below = el(
            "div",
            { className: "say bare" },
            el(
                "div",
                { className: "row" },
                this.#write,
                this.#stop,
                this.#again,
                this.#versions.element,
                el("span", { className: "hint" }, "Ctrl+Enter"),
                acts,
            ),
        );
        this.#field.addEventListener("input", () => this.#typed());
        this.#field.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
            event.preventDefault();
            if (!this.#write.disabled && !this.#session.writing) this.#session.write();
        });
    }

    focus() {
        const end = this.#field.value.length;
        this.#field.focus();
        this.#field.setSelectionRange(end, end);
    }

    #typed() {
        const { tree } = this.#session.conversation;
        this.#session.draft(this.#field.value);
        // A draft that is empty would be none.
        if (this.#field.value === "") tree.adopt("");
        this.#ink();
        this.#state();
    }

    show() {
        const { conversation, settings, writing } = this.#session;
        const path = conversation.tree.path();
        const coloured = settings.probabilities && conversation.draft === "" && path.some((node) => node.tokens);
        const [from, to] = coloured ? [this.#manuscript, this.#tokens.element] : [this.#tokens.element, this.#manuscript];
        from.replaceWith(to);
        if (coloured) {
            this.#tokens.set([]);
            this.#tokens.set(pieces(path));
        }
        this.#field.readOnly = writing !== null;
        const text = conversation.draft === "" ? conversation.tree.text() : conversation.draft;
        if (this.#field.value !== text) this.#field.value = text;
        this.#ink();
        this.#state();
    }

    grow() {
        const { tree } = this.#session.conversation;
        if (this.#tokens.element.isConnected) return this.#tokens.set(pieces(tree.path()));
        if (this.#session.settings.probabilities && this.#session.node?.tokens) return this.show();
        const text = tree.text();
        // What is there already stays selected.
        if (text.length > this.#field.value.length)
            this.#field.setRangeText(text.slice(this.#field.value.length), this.#field.value.length, text.length, "preserve");
        this.#ink();
    }

    // Colours what the field holds: the pieces of the tree that it begins with, and the rest.
    #ink() {
        const text = this.#field.value;
        for (const element of [this.#text, this.#field]) setDirection(element, text);
        const inked = [];
        let at = 0;
        for (const { role, text: piece } of this.#session.conversation.tree.path()) {
            if (!text.startsWith(piece, at)) break;
            inked.push([role, piece]);
            at += piece.length;
        }
        // The line break has the last line be there while it is empty.
        inked.push(["user", `${text.slice(at)}\n`]);
        inked.forEach(([role, piece], i) => {
            const span = this.#text.children[i] ?? this.#text.appendChild(el("span"));
            span.className = role;
            const shown = this.#shown[i] ?? "";
            if (piece === shown) return;
            if (shown !== "" && piece.startsWith(shown)) span.append(piece.slice(shown.length));
            else span.textContent = piece;
        });
        while (this.#text.childElementCount > inked.length) this.#text.lastElementChild.remove();
        this.#shown = inked.map(([, piece]) => piece);
    }

    #state() {
        const { conversation, writing } = this.#session;
        this.#write.hidden = writing !== null;
        this.#stop.hidden = writing === null;
        this.#write.disabled = this.#field.value.trim() === "";
        this.#again.disabled = writing !== null || !this.#lastWritten();
        const forked = this.#forked();
        if (forked) this.#versions.set(conversation.tree.versions(forked), forked, writing === null);
        else this.#versions.element.hidden = true;
    }

    #lastWritten() {
        return this.#session.conversation.tree.path().findLast((node) => node.role === "assistant");
    }

    // The last place where there is more than one version.
    #forked() {
        const { tree } = this.#session.conversation;
        return tree.path().findLast((node) => tree.versions(node).length > 1);
    }

    #rewrite(index, token) {
        let at = 0;
        for (const node of this.#session.conversation.tree.path()) {
            const count = node.tokens?.length ?? 1;
            if (index < at + count) return this.#session.rewrite(node, index - at, token);
            at += count;
        }
        return undefined;
    }
}

// The tokens of a branch; a piece without any is one that nothing is known of.
function pieces(path) {
    return path.flatMap((node) => node.tokens ?? [[node.text, null, [], node.role]]);
}
