// The figures of the text that is being written, or was written last.

import { el } from "./dom.js";

export class Status {
    #element;
    #session;

    constructor(element, session) {
        [this.#element, this.#session] = [element, session];
    }

    show() {
        const { writing, conversation, model } = this.#session;
        const node = this.#session.node ?? conversation.tree.path().findLast((one) => one.figures);
        const figures = writing?.figures ?? node?.figures;
        this.#element.replaceChildren(...(figures ? this.#figures(figures, node, writing, model) : this.#idle(model)));
    }

    #idle(model) {
        return model?.context ? [item(`The model sees ${count(model.context)} tokens at a time`)] : [];
    }

    #figures(figures, node, writing, model) {
        if (writing && figures.first === null) {
            return [
                item(
                    figures.prompt > 0
                        ? `reading ${count(figures.read)} of ${count(figures.prompt)} tokens`
                        : "waiting for the first token",
                ),
            ];
        }
        const items = [item(figures.tokens === 1 ? "1 token" : `${count(figures.tokens)} tokens`, "Tokens written")];
        if (figures.rate) items.push(item(`${count(figures.rate)} tok/s`, "Speed of writing"));
        if (figures.first !== null) items.push(item(`first ${duration(figures.first)}`, "From asking to the first token"));
        if (!writing && Number.isFinite(node?.figures?.seed))
            items.push(item(`seed ${node.figures.seed}`, "The seed that this was drawn with", "seed"));
        const used = figures.prompt + figures.tokens;
        if (model?.context && figures.prompt > 0) {
            const share = el("progress", { max: model.context, value: Math.min(used, model.context), "aria-label": "Context in use" });
            items.push(
                item(
                    `context ${count(Math.min(used, model.context))}/${count(model.context)}`,
                    "Tokens that the model has in sight, and can have",
                ),
                share,
            );
        }
        if (this.#session.conversation.slides)
            items.push(item("the beginning is out of sight", "What the model does not see any more is left out"));
        return items;
    }
}

function item(text, title = "", className = "") {
    return el("span", { title, className }, text);
}

function count(value) {
    return value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

function duration(ms) {
    return ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}
