// The bar at the top: which model answers and where it runs, and what opens and closes the rest of the page.

import { el, iconButton } from "./dom.js";
import { showHelp } from "./dialogs.js";
import { saveSettings } from "./settings.js";

const THEME = "tercet.theme";

export class Bar {
    #session;
    #model = el("select", { "aria-label": "Model", id: "model" });
    #facts = el("span", { className: "facts" });

    // `choose` is called with the model that was chosen; `sides` are the parts at the sides, which open and close.
    constructor(element, session, choose, sides) {
        this.#session = session;
        this.#model.addEventListener("change", () => {
            const model = session.models.find(({ id }) => id === this.#model.value);
            session.settings.model = model.id;
            saveSettings(localStorage, session.settings);
            choose(model);
        });
        const [history, settings] = sides.map((side) => side.button);
        element.prepend(history);
        element.append(
            this.#model,
            this.#facts,
            el("span", { className: "gap" }),
            iconButton("help", "Help", showHelp),
            iconButton("theme", "Light or dark", nextTheme),
            settings,
        );
    }

    show() {
        const { models, model, about } = this.#session;
        this.#model.replaceChildren(...models.map(({ id }) => el("option", { value: id, selected: id === model?.id }, id)));
        this.#model.hidden = models.length === 0;
        const facts = [about.device, model?.converses === false && "continues text"];
        this.#facts.textContent = facts.filter(Boolean).join("  \u00b7  ");
    }
}

// A part at the side, which opens and closes; on a phone it lies over the page, which rests then, and only one is open.
export class Side {
    button;
    #element;
    #page;
    #narrow;
    #others = [];

    constructor(element, page, kind, name, narrow) {
        [this.#element, this.#page, this.#narrow] = [element, page, narrow];
        this.button = iconButton(kind, name, () => this.toggle(), { "aria-controls": element.id });
        this.set(!narrow.matches);
        narrow.addEventListener("change", () => this.set(!narrow.matches));
    }

    beside(...others) {
        this.#others = others;
    }

    get isOpen() {
        return !this.#element.hidden;
    }

    set(open) {
        this.#element.hidden = !open;
        this.button.setAttribute("aria-expanded", open);
        this.#page.inert = this.#narrow.matches && [this, ...this.#others].some((side) => side.isOpen);
    }

    toggle() {
        this.set(!this.isOpen);
        if (!this.isOpen || !this.#narrow.matches) return;
        this.#others.forEach((other) => other.set(false));
        this.#element.querySelector("button, input, textarea").focus();
    }

    // Makes way for the page where it lies over it; says whether it did.
    leave() {
        const over = this.isOpen && this.#narrow.matches;
        if (over) this.set(false);
        return over;
    }
}

// From whatever is on to the other one.
function nextTheme() {
    const root = document.documentElement;
    const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try {
        localStorage.setItem(THEME, root.dataset.theme);
    } catch {
        // A browser that keeps nothing has it until the page is closed.
    }
}
