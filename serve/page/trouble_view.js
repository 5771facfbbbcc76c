// What went wrong, where it went wrong: what happened, what to do, and a button for it. It stays until it is over.

import { chip, el } from "./dom.js";
import { advice } from "./trouble.js";

// `acts` are what the buttons do: again, key, shorten.
export function troubleView(trouble, acts) {
    const { what, todo, action } = advice(trouble);
    const labels = { again: "Try again", key: "Enter a key\u2026", shorten: "Leave the beginning out" };
    const button = action && acts[action] ? chip(labels[action], acts[action]) : null;
    if (button && action === "again" && trouble.retryAfter > 0) wait(button, labels.again, trouble.retryAfter);
    return el(
        "div",
        { className: "trouble", role: "alert" },
        el("b", {}, what),
        el("p", {}, todo),
        button && el("div", { className: "row" }, button),
    );
}

// A server that says when to come back is not asked before.
function wait(button, label, seconds) {
    button.disabled = seconds > 0;
    button.textContent = seconds > 0 ? `${label} in ${seconds} s` : label;
    if (seconds > 0) setTimeout(() => wait(button, label, seconds - 1), 1_000);
}
