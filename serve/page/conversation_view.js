// The conversation drawn: its turns, and the field for what is said next.

import { el, setDirection } from "./dom.js";
import { Turn } from "./turn.js";

export class ConversationView {
    page = el("div", { className: "column turns", role: "log", "aria-label": "Conversation", "aria-live": "off" });
    below;
    #session;
    #card;
    #turns = new Map();
    #field = el("textarea", { id: "write", rows: 1, placeholder: "Say something", "aria-label": "What you say", enterKeyHint: "send" });
    #grows = el("div", { className: "grows" }, this.#field);
    #send = el("button", { type: "button", className: "primary", onclick: () => this.#say() }, "Send");
    #stop = el("button", { type: "button", className: "primary stop", title: "Escape", onclick: () => this.#session.stop() }, "Stop");
    #empty;

    constructor(session, card, acts) {
        [this.#session, this.#card] = [session, card];
        this.#empty = el("div", { className: "empty" });
        this.below = el(
            "div",
            { className: "say" },
            this.#grows,
            el(
                "div",
                { className: "row" },
                this.#send,
                this.#stop,
                el("span", { className: "hint" }, "Enter sends, Shift+Enter begins a line"),
                acts,
            ),
        );
        this.#field.addEventListener("input", () => {
            this.#grow();
            this.#session.draft(this.#field.value);
            this.#state();
        });
        this.#field.addEventListener("keydown", (event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            this.#say();
        });
    }

    focus() {
        this.#field.focus();
    }

    // Shows the branch that is seen.
    show() {
        const { conversation, model } = this.#session;
        const path = conversation.tree.path();
        const before = this.#turns;
        this.#turns = new Map();
        for (const node of path) {
            const known = before.get(node.id);
            this.#turns.set(node.id, known?.node === node ? known : new Turn(this.#session, this.#card, node));
        }
        const system =
            conversation.system.trim() === ""
                ? []
                : [el("p", { className: "system", title: "System prompt" }, conversation.system)];
        this.#empty.textContent = model ? `Say something, and ${model.id} answers` : "";
        place(this.page, [...(path.length === 0 ? [this.#empty] : system), ...[...this.#turns.values()].map((turn) => turn.element)]);
        for (const turn of this.#turns.values()) turn.update(turn.node === path.at(-1));
        if (document.activeElement !== this.#field || conversation.draft === "") this.#field.value = conversation.draft;
        this.#grow();
        this.#state();
    }

    // Shows more of what is being written.
    grow() {
        this.#turns.get(this.#session.node?.id)?.update(true);
    }

    #state() {
        const writes = this.#session.writing !== null;
        this.#send.hidden = writes;
        this.#stop.hidden = !writes;
        this.#send.disabled = this.#field.value.trim() === "";
    }

    // The field is as high as what is in it.
    #grow() {
        setDirection(this.#field, this.#field.value);
        this.#grows.dataset.text = this.#field.value;
    }

    #say() {
        const text = this.#field.value;
        if (text.trim() === "" || this.#session.writing) return;
        this.#field.value = "";
        this.#session.say(text);
    }
}

// Has `parent` hold these elements, and leaves those that are in place alone: what is selected in them stays so.
function place(parent, elements) {
    for (const child of [...parent.children]) if (!elements.includes(child)) child.remove();
    elements.forEach((element, i) => {
        if (parent.children[i] !== element) parent.insertBefore(element, parent.children[i] ?? null);
    });
}
