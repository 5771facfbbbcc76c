// What is said in passing: what was done and can be undone, and what a reader who does not see the page should know.

import { chip, el, iconButton } from "./dom.js";

const STAYS_MS = 12_000;
// More is not read out; whoever wants it goes to the text.
const SAID_MAX = 2_000;

export class Notices {
    #place;
    #said;

    constructor(place, said) {
        [this.#place, this.#said] = [place, said];
    }

    // Says what was done; `undo` undoes it. It stays while somebody points at it.
    undo(what, undo) {
        this.tell(what, { label: "Undo", act: undo });
    }

    // Says something, with a button or without.
    tell(what, button = null, isError = false) {
        const close = () => {
            clearTimeout(timer);
            notice.remove();
        };
        const act = () => {
            close();
            button.act();
        };
        const notice = el(
            "div",
            { className: isError ? "notice bad" : "notice", role: isError ? "alert" : "status" },
            el("span", {}, what),
            button && chip(button.label, act),
            iconButton("close", "Close", close),
        );
        let timer;
        const wait = () => {
            clearTimeout(timer);
            // What went wrong stays until it is read.
            if (!isError) timer = setTimeout(close, STAYS_MS);
        };
        for (const event of ["pointerenter", "focusin"]) notice.addEventListener(event, () => clearTimeout(timer));
        for (const event of ["pointerleave", "focusout"]) notice.addEventListener(event, wait);
        this.#place.append(notice);
        wait();
    }

    // Says it to who hears the page, when they are not hearing anything else.
    say(what) {
        this.#said.textContent = what.slice(0, SAID_MAX);
    }
}
