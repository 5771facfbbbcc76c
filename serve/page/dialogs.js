// What is asked for, and what is explained, in front of the page: the key, and the keyboard.

import { el, iconButton } from "./dom.js";

function dialog(title, ...content) {
    const close = iconButton("close", "Close", () => made.close());
    const made = el("dialog", { "aria-label": title }, el("header", {}, el("h2", {}, title), close), ...content);
    // A click beside it closes it.
    made.addEventListener("click", ({ target }) => target === made && made.close());
    made.addEventListener("close", () => made.remove());
    document.body.append(made);
    made.showModal();
    return made;
}

// Asks for the server's key; undefined where none was given.
export function askKey() {
    return new Promise((resolve) => {
        let given;
        const field = el("input", { type: "password", id: "key", autocomplete: "off", required: true });
        const send = (event) => {
            event.preventDefault();
            given = field.value.trim();
            made.close();
        };
        const form = el(
            "form",
            { onsubmit: send },
            el("label", { htmlFor: "key" }, "Key"),
            field,
            el("p", { className: "dim" }, "It is kept in this tab until you close it, and sent to this server only."),
            el("div", { className: "row" }, el("button", { className: "primary" }, "Use this key")),
        );
        const made = dialog("This server asks for a key", form);
        made.addEventListener("close", () => resolve(given || undefined));
        field.focus();
    });
}

const KEYS = [
    ["Enter", "Send what you say"],
    ["Shift+Enter", "Begin a line"],
    ["Ctrl+Enter", "Write, in a notebook; keep an answer that you edited"],
    ["Esc", "Stop writing; leave what is open"],
    ["/", "Go to the field"],
    ["Arrow keys", "In the probabilities, go from token to token; Enter shows what else there was"],
    ["?", "This help"],
];

// Explains the keyboard and what the page keeps.
export function showHelp() {
    const rows = KEYS.map(([key, what]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, what)));
    dialog(
        "Help",
        el("table", { className: "keys" }, el("tbody", {}, ...rows)),
        el(
            "p",
            { className: "dim" },
            "Texts are kept in this browser, for this address, and nowhere else; export what should last. What a model writes is shown as text: no image is loaded, nothing in it runs.",
        ),
    );
}
