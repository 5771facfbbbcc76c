// How texts are to be written: presets, every setting of the sampler with its number, the seed, the length, and what holds for a whole
// conversation.

import { chip, el, iconButton } from "./dom.js";
import { LENGTH, newSeed, PRESETS, presetOf, SAMPLING, saveSettings, within } from "./settings.js";

export class Panel {
    #session;
    #rows = new Map();
    #presets = PRESETS.map((preset) => chip(preset.name, () => this.#preset(preset), { title: preset.about }));
    #modes = [
        ["conversation", "Conversation"],
        ["notebook", "Notebook"],
    ].map(([mode, label]) => [mode, chip(label, () => this.#mode(mode))]);
    #system = el("textarea", { id: "system", rows: 3, placeholder: "You are \u2026" });
    #systemPart;
    #fixed = el("input", { type: "checkbox", id: "fixed" });
    #seed = el("input", { type: "number", className: "number", min: 0, step: 1, "aria-label": "Seed" });
    #anew = el("span", { className: "dim" }, "a new one each time");
    #stops = el("textarea", { id: "stops", rows: 2, spellcheck: false });

    constructor(element, session) {
        this.#session = session;
        const length = this.#row(
            LENGTH,
            () => this.#settings.maxTokens,
            (value) => (this.#settings.maxTokens = value),
        );
        const die = iconButton("die", "New seed", () => this.#setSeed(newSeed()));
        this.#systemPart = el("section", {}, el("label", { htmlFor: "system" }, "System prompt"), this.#system);
        element.append(
            el("div", { className: "row", role: "group", "aria-label": "Kind of text" }, ...this.#modes.map(([, button]) => button)),
            this.#systemPart,
            el("h2", {}, "Sampling"),
            el("div", { className: "row", role: "group", "aria-label": "Presets" }, ...this.#presets),
            ...SAMPLING.map((field) =>
                this.#row(
                    field,
                    () => this.#value(field.name),
                    (value) => this.#set(field.name, value),
                ),
            ),
            el("h2", {}, "Seed"),
            el(
                "div",
                { className: "row", title: "The same seed, text, settings and model give the same text again" },
                this.#fixed,
                el("label", { htmlFor: "fixed" }, "Fixed"),
                el("span", { className: "gap" }),
                this.#anew,
                this.#seed,
                die,
            ),
            el("h2", {}, "Length"),
            length,
            el("label", { htmlFor: "stops" }, "Strings that end a text, one a line; \\n is a line break"),
            this.#stops,
        );
        this.#system.addEventListener("input", () => {
            this.#session.conversation.system = this.#system.value;
            this.#session.save();
        });
        this.#fixed.addEventListener("change", () => this.#setSeed(this.#fixed.checked ? newSeed() : null));
        this.#seed.addEventListener("change", () =>
            this.#setSeed(Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.round(this.#seed.valueAsNumber) || 0))),
        );
        this.#stops.addEventListener("input", () => {
            this.#settings.stop = this.#stops.value;
            this.#keep();
        });
    }

    get #settings() {
        return this.#session.settings;
    }

    #keep() {
        saveSettings(localStorage, this.#settings);
    }

    #value(name) {
        return this.#settings.sampling[name] ?? this.#session.about.defaults[name] ?? 0;
    }

    #set(name, value) {
        if (value === this.#session.about.defaults[name]) delete this.#settings.sampling[name];
        else this.#settings.sampling[name] = value;
    }

    #preset({ changes }) {
        this.#settings.sampling = { ...changes };
        this.#keep();
        this.show();
    }

    #setSeed(seed) {
        this.#settings.seed = seed;
        this.#keep();
        this.show();
    }

    // What is written already is of the other kind, and is kept as it is.
    #mode(mode) {
        if (this.#session.conversation.mode !== mode) this.#session.begin(mode);
    }

    // A setting: its name, its number, and a slider over the values that are usual.
    #row(field, get, set) {
        const { name, label, hint, least = 0, most, step, digits } = field;
        const number = el("input", { type: "number", className: "number", id: name, step, min: field.floor ?? least, max: field.limit });
        const slider = el("input", { type: "range", min: least, max: most, step, "aria-label": label });
        const change = (value) => {
            if (!Number.isNaN(value)) set(within(field, value));
            this.#keep();
            this.show();
            show();
        };
        number.addEventListener("change", () => change(number.valueAsNumber));
        slider.addEventListener("input", () => change(slider.valueAsNumber));
        const element = el("div", { className: "setting", title: hint }, el("label", { htmlFor: name }, label), number, slider);
        const show = () => {
            const value = get();
            number.value = digits === 0 ? value : Number(value).toFixed(digits);
            slider.value = value;
            slider.style.setProperty("--share", `${(100 * (Math.min(most, Math.max(least, value)) - least)) / (most - least)}%`);
        };
        this.#rows.set(name, { field, element, show, inputs: [number, slider] });
        return element;
    }

    show() {
        const { conversation, model, about } = this.#session;
        const settings = this.#settings;
        const on = presetOf(settings.sampling, about.defaults);
        this.#presets.forEach((button, i) => button.setAttribute("aria-pressed", PRESETS[i] === on));
        for (const [mode, button] of this.#modes) {
            button.setAttribute("aria-pressed", mode === conversation.mode);
            const play = mode === "conversation" && model?.converses === false;
            button.title = play ? "This model only continues text: a conversation is set as a play, in which you are Romeo and it is Juliet" : "";
        }
        this.#systemPart.hidden = conversation.mode !== "conversation";
        if (document.activeElement !== this.#system) this.#system.value = conversation.system;
        // Where the likeliest token is taken, nothing is drawn; without a penalty it has no window.
        const drawn = this.#value("temperature") > 0;
        const penalised =
            this.#value("repeat_penalty") !== 1 || this.#value("presence_penalty") !== 0 || this.#value("frequency_penalty") !== 0;
        for (const { field, element, show, inputs } of this.#rows.values()) {
            // A number that is being typed is left alone.
            if (!inputs.includes(document.activeElement)) show();
            const off = Boolean((field.drawn && !drawn) || (field.penalised && !penalised));
            element.classList.toggle("off", off);
            for (const input of inputs) input.disabled = off;
        }
        this.#fixed.checked = settings.seed !== null;
        this.#seed.hidden = settings.seed === null;
        this.#anew.hidden = settings.seed !== null;
        if (document.activeElement !== this.#seed) this.#seed.value = settings.seed ?? "";
        if (document.activeElement !== this.#stops) this.#stops.value = settings.stop;
    }
}
