// Which version of several is seen, and the way to the others: ‹ 2/3 ›.

import { el, iconButton } from "./dom.js";

export class Versions {
    element = el("span", { className: "versions", role: "group", "aria-label": "Versions", hidden: true });
    #step;
    #count = el("span");
    #back = iconButton("left", "The version before", () => this.#step(-1));
    #forth = iconButton("right", "The next version", () => this.#step(1));

    // `step` is called with -1 or 1.
    constructor(step) {
        this.#step = step;
        this.element.append(this.#back, this.#count, this.#forth);
    }

    // Shows that `node` is one of these; nothing where there is no other.
    set(versions, node, idle) {
        const at = versions.indexOf(node);
        this.element.hidden = versions.length < 2;
        this.#count.textContent = `${at + 1}/${versions.length}`;
        this.#count.setAttribute("aria-label", `version ${at + 1} of ${versions.length}`);
        this.#back.disabled = !idle || at <= 0;
        this.#forth.disabled = !idle || at === versions.length - 1;
    }
}
