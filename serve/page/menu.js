// A button with a list of things to do. The list floats, closes by itself, and is walked with the arrow keys.

import { el, iconButton } from "./dom.js";

let made = 0;

// `items` are `[label, act]`.
export function menuButton(kind, name, items) {
    const id = `menu-${(made += 1)}`;
    const rows = items.map(([label, act]) => {
        const row = el("button", { type: "button", role: "menuitem", tabIndex: -1 }, label);
        row.addEventListener("click", () => {
            list.hidePopover();
            act();
        });
        return row;
    });
    const list = el("div", { id, className: "menu floating", role: "menu", "aria-label": name, popover: "auto" }, ...rows);
    const button = iconButton(kind, name, () => {}, { "aria-haspopup": "menu", "aria-expanded": "false", popoverTargetElement: list });
    list.addEventListener("toggle", ({ newState }) => {
        const open = newState === "open";
        button.setAttribute("aria-expanded", open);
        if (!open) return;
        place(list, button.getBoundingClientRect());
        rows[0].focus();
    });
    list.addEventListener("keydown", (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        rows[(rows.indexOf(document.activeElement) + step + rows.length) % rows.length].focus();
    });
    return el("span", { className: "with-menu" }, button, list);
}

// Beside the button, wherever there is room.
function place(list, { left, right, top, bottom }) {
    const { offsetWidth: width, offsetHeight: height } = list;
    const x = left + width + 8 < innerWidth ? left : right - width;
    const y = bottom + height + 12 < innerHeight ? bottom + 4 : top - height - 4;
    list.style.left = `${Math.max(8, x)}px`;
    list.style.top = `${Math.max(8, y)}px`;
}
