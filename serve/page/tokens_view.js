// A text as its tokens, coloured by how surprising each was, and a card with what the model would have written instead: where the
// pointer is, or the keys. The arrow keys go from token to token; Enter goes into the card, where each line writes the text anew from there.

import { el } from "./dom.js";
import { bits, spelled, surprise } from "./tokens.js";

// The pointer may take so long from a token to its card.
const LEAVE_MS = 180;

export class TokensView {
    element = el("div", {
        className: "tokens",
        role: "group",
        "aria-label": "Tokens with their probabilities; the arrow keys go from one to the next",
    });
    #tokens = [];
    #card;
    #chosen;
    #at = 0;

    // `chosen` is called with the place of a token and what is to stand there instead.
    constructor(card, chosen) {
        [this.#card, this.#chosen] = [card, chosen];
        this.element.addEventListener("pointerover", ({ target }) => this.#point(target));
        this.element.addEventListener("pointerleave", () => this.#card.leave());
        this.element.addEventListener("focusin", ({ target }) => this.#point(target));
        this.element.addEventListener("click", ({ target }) => this.#point(target));
        this.element.addEventListener("keydown", (event) => this.#key(event));
    }

    // Shows these; `role` is whose they are where nothing is known of them.
    set(tokens) {
        const { element } = this;
        if (tokens.length < element.childElementCount) element.replaceChildren();
        this.#tokens = tokens;
        for (let i = element.childElementCount; i < tokens.length; i += 1) {
            const [text, logProb, , role] = tokens[i];
            const span = el("span", { className: logProb === null ? (role ?? "") : /^\n+$/.test(text) ? "token line" : "token" }, text);
            if (logProb !== null) span.style.setProperty("--surprise", surprise(logProb).toFixed(3));
            // One of them is where Tab leads.
            if (logProb !== null) span.tabIndex = -1;
            element.append(span);
        }
        const first = element.querySelector(".token");
        if (first && !element.querySelector("[tabindex='0']")) first.tabIndex = 0;
    }

    #point(target) {
        const index = [...this.element.children].indexOf(target);
        if (index < 0 || !target.classList.contains("token")) return;
        this.#card.show(target, this.#tokens[index], (token) => this.#chosen(index, token));
        this.#at = index;
    }

    #key(event) {
        const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
        if (event.key === "Enter") {
            this.#card.enter();
        } else if (event.key in steps) {
            const all = [...this.element.querySelectorAll(".token")];
            const now = all.indexOf(document.activeElement);
            const next = all[now + steps[event.key]];
            if (!next) return;
            all[now].tabIndex = -1;
            next.tabIndex = 0;
            next.focus();
        } else {
            return;
        }
        event.preventDefault();
    }
}

// The card. There is one, and it shows what was pointed at last.
export class Card {
    element = el("div", { className: "card floating", role: "dialog", "aria-label": "What the model would have written", hidden: true });
    #of = null;
    #leaving;

    constructor() {
        this.element.addEventListener("pointerenter", () => clearTimeout(this.#leaving));
        this.element.addEventListener("pointerleave", () => this.leave());
        this.element.addEventListener("focusout", ({ relatedTarget }) => {
            if (relatedTarget && !this.element.contains(relatedTarget)) this.hide();
        });
        this.element.addEventListener("keydown", (event) => {
            const steps = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" };
            if (event.key === "Escape") {
                this.#of?.focus();
                this.hide();
                event.stopPropagation();
            } else if (event.key in steps) {
                document.activeElement[steps[event.key]]?.focus();
                event.preventDefault();
            }
        });
        // What it points at moves away.
        addEventListener("scroll", () => this.hide(), { capture: true, passive: true });
    }

    show(of, [text, logProb, likeliest], chosen) {
        clearTimeout(this.#leaving);
        if (this.#of === of && !this.element.hidden) return;
        this.#of = of;
        const head = el(
            "div",
            { className: "head" },
            el("b", {}, spelled(text)),
            el("span", {}, `${percent(logProb)}, ${bits(logProb).toFixed(1)} bits`),
        );
        const line = ([token, p]) => {
            // A part of a character cannot be gone on from.
            const part = /^(\\x[0-9a-f]{2})+$/.test(token);
            const row = el(
                "button",
                {
                    type: "button",
                    className: token === text ? "row own" : "row",
                    disabled: part,
                    title: part ? "" : "Write it anew from here",
                    onclick: () => this.#choose(chosen, [token, p]),
                },
                el("span", { className: "token" }, spelled(token)),
                el("span", { className: "share" }, el("i")),
                el("span", { className: "number" }, percent(p)),
            );
            row.querySelector("i").style.inlineSize = `${(100 * Math.exp(p)).toFixed(1)}%`;
            return row;
        };
        this.element.replaceChildren(head, el("div", { className: "rows" }, ...likeliest.map(line)));
        this.element.hidden = false;
        this.#place(of.getClientRects()[0] ?? of.getBoundingClientRect());
    }

    // Below the token, or above it where there is no room.
    #place({ left, top, bottom }) {
        const { offsetWidth: width, offsetHeight: height } = this.element;
        const below = bottom + 6 + height < innerHeight;
        const { style } = this.element;
        style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
        style.top = `${Math.max(8, below ? bottom + 6 : top - height - 6)}px`;
    }

    #choose(chosen, token) {
        this.hide();
        chosen(token);
    }

    enter() {
        this.element.querySelector("button:not(:disabled)")?.focus();
    }

    leave() {
        clearTimeout(this.#leaving);
        this.#leaving = setTimeout(() => {
            if (!this.element.contains(document.activeElement) && document.activeElement !== this.#of) this.hide();
        }, LEAVE_MS);
    }

    hide() {
        this.element.hidden = true;
        this.#of = null;
    }
}

function percent(logProb) {
    const share = 100 * Math.exp(logProb);
    return `${share >= 9.95 ? share.toFixed(0) : share >= 0.1 ? share.toFixed(1) : share.toPrecision(1)} %`;
}
