// One turn of a conversation, drawn: who speaks, what is said, and what can be done with it.

import { chip, copyText, el, iconButton, setDirection } from "./dom.js";
import { Rendered } from "./rendered.js";
import { TokensView } from "./tokens_view.js";
import { Versions } from "./versions.js";

export class Turn {
    element;
    node;
    #session;
    #card;
    #body = el("div", { className: "body" });
    #editor = null;
    #rendered = null;
    #tokens = null;
    #versions = new Versions((by) => this.#session.step(this.node, by));
    #copy = iconButton("copy", "Copy", () => this.#copyText());
    #edit = iconButton("edit", "Edit", () => this.#beginEdit());
    #again = iconButton("again", "Answer again", () => this.#session.again(this.node));
    #goOn = chip("Go on", () => this.#session.goOn(this.node), { title: "Go on with the answer where it ended" });
    #ended = el("span", { className: "ended" });

    constructor(session, card, node) {
        [this.#session, this.#card, this.node] = [session, card, node];
        const own = node.role === "user";
        this.element = el(
            "article",
            { className: `turn ${own ? "you" : "model"}`, "aria-label": own ? "You" : "Model" },
            el("div", { className: "who", "aria-hidden": "true" }, own ? "You" : "Model"),
            this.#body,
            el(
                "div",
                { className: "acts" },
                this.#versions.element,
                this.#copy,
                this.#edit,
                ...(own ? [] : [this.#again, this.#goOn, this.#ended]),
            ),
        );
    }

    // Shows what the node holds now. `last` for the turn that ends the conversation.
    update(last) {
        const { conversation, settings, writing, node } = this.#session;
        const writes = node === this.node;
        if (!this.#editor) this.#showText(settings.probabilities && this.node.tokens);
        this.element.classList.toggle("writes", writes);
        this.element.setAttribute("aria-busy", writes);
        this.#versions.set(conversation.tree.versions(this.node), this.node, !writing);
        for (const button of [this.#edit, this.#again, this.#goOn]) button.disabled = writing !== null;
        const { ended, figures } = this.node;
        this.#goOn.hidden = !last || !["length", "stopped", "broken"].includes(ended) || this.node.text === "";
        const words = {
            stopped: "Stopped",
            broken: "Broke off",
            context: "The model sees no more than this",
            length: `Ended after ${figures?.tokens} tokens`,
        };
        this.#ended.textContent = writes || !last ? "" : (words[ended] ?? (this.node.text === "" ? "The answer is empty" : ""));
    }

    #showText(tokens) {
        if (tokens) {
            this.#rendered = null;
            this.#tokens ??= new TokensView(this.#card, (index, token) => this.#session.rewrite(this.node, index, token));
            this.#tokens.set(this.node.tokens);
            if (!this.#tokens.element.isConnected) this.#body.replaceChildren(this.#tokens.element);
        } else if (this.node.role === "user") {
            // Somebody's own words are as they typed them.
            this.#body.textContent = this.node.text;
        } else {
            this.#tokens = null;
            this.#rendered ??= new Rendered();
            this.#rendered.set(this.node.text);
            if (!this.#rendered.element.isConnected) this.#body.replaceChildren(this.#rendered.element);
        }
    }

    async #copyText() {
        this.#copy.dataset.done = await copyText(this.node.text);
        setTimeout(() => delete this.#copy.dataset.done, 1_500);
    }

    #beginEdit() {
        if (this.#editor) return;
        const own = this.node.role === "user";
        const field = el("textarea", { value: this.node.text, "aria-label": own ? "What you said" : "What the model said", rows: 1 });
        const leave = () => {
            this.#editor = null;
            this.#body.replaceChildren();
            this.update(this.element.matches(":last-of-type"));
            this.#edit.focus();
        };
        const save = () => {
            const text = field.value;
            if (text.trim() === "") return;
            leave();
            if (text !== this.node.text) this.#session.edit(this.node, text);
        };
        field.addEventListener("keydown", (event) => {
            const enters = event.key === "Enter" && !event.shiftKey && !event.isComposing;
            if (event.key === "Escape") leave();
            else if (enters && (own || event.ctrlKey || event.metaKey)) save();
            else return;
            event.preventDefault();
            event.stopPropagation();
        });
        const done = el("button", { type: "button", className: "primary", onclick: save }, own ? "Send again" : "Keep");
        this.#editor = el(
            "div",
            { className: "editor" },
            el("div", { className: "grows" }, field),
            el("div", { className: "row" }, done, chip("Cancel", leave)),
        );
        const grow = () => {
            setDirection(field, field.value);
            field.parentNode.dataset.text = field.value;
        };
        field.addEventListener("input", grow);
        [this.#rendered, this.#tokens] = [null, null];
        this.#body.replaceChildren(this.#editor);
        grow();
        field.focus();
    }
}
