// Elements, made of what they hold. Text goes in as text and nothing else does: no string of anybody's is ever read as HTML.

// An element with these properties, which are attributes where the element has none of that name. `on…` are listeners.
export function el(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (name in element) element[name] = value;
        else if (value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
}

// Has it be written from where its text's first letter says. Not `dir="auto"`, by which a field of a megabyte takes seconds to be drawn.
export function setDirection(element, text) {
    const first = /\p{L}/u.exec(text.slice(0, 1_000))?.[0] ?? "";
    element.dir = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(first) ? "rtl" : "ltr";
}

// Icons are strokes on a grid of 16, the app's own.
const ICONS = {
    again: "M12.5 4.8 10.6 3.2 8 2.6 5.2 3.4 3.2 5.6 2.7 8.4 3.6 11 5.8 12.9 8.6 13.3 11.2 12.3 12.8 10.2M12.9 1.9 12.6 4.9 9.6 5.1",
    close: "M4 4 12 12M12 4 4 12",
    copy: "M5.5 5.5H13.2V13.2H5.5ZM3.8 10.5H2.8V2.8H10.5V3.8",
    die: "M2.8 2.8H13.2V13.2H2.8ZM5.6 5.6h.01M8 8h.01M10.4 10.4h.01M10.4 5.6h.01M5.6 10.4h.01",
    down: "M4 6.2 8 10.2 12 6.2",
    edit: "M3 13 4 9.5 11 2.5 13.5 5 6.5 12ZM9.5 4 12 6.5",
    help: "M5.4 5.6A2.7 2.7 0 1 1 8 8.8V10M8 12.6h.01",
    left: "M9.8 4 5.8 8 9.8 12",
    list: "M2.5 4H13.5M2.5 8H13.5M2.5 12H13.5",
    more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
    panel: "M2 3H14V13H2ZM10 3V13",
    right: "M6.2 4 10.2 8 6.2 12",
    theme: "M8 2.2A5.8 5.8 0 1 0 8 13.8ZM8 2.2A5.8 5.8 0 0 1 8 13.8",
    bin: "M3 4.5H13M6 4.5V2.8H10V4.5M4.2 4.5 4.8 13.2H11.2L11.8 4.5M6.8 7V10.8M9.2 7V10.8",
};

export function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    return svg;
}

// A button that is an icon; `name` is what it does, for the tooltip and for who cannot see it.
export function iconButton(kind, name, onclick, properties = {}) {
    return el("button", { type: "button", className: "icon", title: name, "aria-label": name, onclick, ...properties }, icon(kind));
}

// A button in words, for what is not the main thing of the page.
export function chip(label, onclick, properties = {}) {
    return el("button", { type: "button", className: "chip", onclick, ...properties }, label);
}

// Puts text on the clipboard; says whether it is there.
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        // Pages that come over plain HTTP from another machine have no clipboard of this kind.
        const field = el("textarea", { value: text, className: "unseen" });
        (document.querySelector("dialog[open]") ?? document.body).append(field);
        field.select();
        const done = document.execCommand("copy");
        field.remove();
        return done;
    }
}

// Hands a file to the browser, to be kept where files are.
export function saveFile(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

// Asks for a file; nothing where none was chosen.
export function chooseFile(accept) {
    return new Promise((resolve) => {
        const input = el("input", { type: "file", accept, hidden: true });
        const done = (file) => {
            input.remove();
            resolve(file);
        };
        input.addEventListener("change", () => done(input.files[0]));
        input.addEventListener("cancel", () => done(undefined));
        document.body.append(input);
        input.click();
    });
}
