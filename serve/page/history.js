// The list of what is kept: open, call it something else, take it away, export and import.

import { fromFile, toFile } from "./conversation.js";
import { chooseFile, el, iconButton, saveFile } from "./dom.js";
import { menuButton } from "./menu.js";

export class History {
    #session;
    #notices;
    #list = el("ul", { className: "heads" });
    #element;
    #opened;

    // `opened` is called when something was chosen: on a phone the list makes way then.
    constructor(element, session, notices, opened) {
        [this.#element, this.#session, this.#notices, this.#opened] = [element, session, notices, opened];
        const begin = el("button", { type: "button", className: "chip wide", onclick: () => this.#begin() }, "New text");
        const menu = menuButton("more", "Export and import", [
            ["Export this text as JSON", () => this.#export([this.#session.conversation])],
            ["Export this text as Markdown", () => this.#exportMarkdown()],
            ["Export all texts as JSON", () => this.#exportAll()],
            ["Import\u2026", () => this.#import()],
        ]);
        element.append(el("div", { className: "row head" }, begin, menu), this.#list);
    }

    #begin() {
        this.#session.begin();
        this.#opened();
    }

    async show() {
        const open = this.#session.conversation;
        const heads = await this.#session.list();
        const rows = heads.map((head) => this.#row(head, head.id === open.id));
        // Whoever is calling something else is not to be interrupted.
        if (this.#list.contains(document.activeElement) && document.activeElement.matches("input")) return;
        const focused = document.activeElement?.closest?.(".heads li")?.dataset.id;
        this.#list.replaceChildren(
            ...(rows.length > 0 ? rows : [el("li", { className: "empty" }, "What you write is kept here, in this browser.")]),
        );
        if (focused) this.#list.querySelector(`[data-id="${focused}"] button`)?.focus();
    }

    #row({ id, name, changed }, open) {
        const row = el("li", { className: open ? "open" : "" });
        row.dataset.id = id;
        const choose = el(
            "button",
            { type: "button", className: "name", title: name, "aria-current": open ? "true" : undefined, onclick: () => this.#open(id) },
            el("span", {}, name),
            el("small", {}, when(changed)),
        );
        row.append(
            choose,
            iconButton("edit", `Rename ${name}`, () => this.#rename(row, id, name)),
            iconButton("bin", `Delete ${name}`, () => this.#remove(id, name)),
        );
        return row;
    }

    async #open(id) {
        if (id !== this.#session.conversation.id) await this.#session.open(id);
        this.#opened();
    }

    #rename(row, id, name) {
        const field = el("input", { type: "text", value: name, "aria-label": `New name of ${name}`, maxLength: 200 });
        let done = false;
        const leave = async (keep) => {
            if (done) return;
            done = true;
            const title = field.value.trim();
            field.remove();
            if (keep && title !== "" && title !== name) await this.#session.rename(id, title);
            else await this.show();
            this.#list.querySelector(`[data-id="${id}"] button`)?.focus();
        };
        field.addEventListener("keydown", (event) => {
            if (event.key === "Enter") leave(true);
            if (event.key === "Escape") leave(false);
            event.stopPropagation();
        });
        field.addEventListener("blur", () => leave(true));
        row.replaceChildren(field);
        field.select();
        field.focus();
    }

    async #remove(id, name) {
        const back = await this.#session.remove(id);
        this.#notices.undo(`Deleted ${name}`, back);
        this.#element.querySelector("button").focus();
    }

    #export(conversations) {
        saveFile(`tercet-${today()}.json`, "application/json", toFile(conversations));
    }

    async #exportAll() {
        await this.#session.flush();
        const heads = await this.#session.list();
        this.#export(await Promise.all(heads.map(({ id }) => this.#session.kept(id))));
    }

    #exportMarkdown() {
        const { conversation } = this.#session;
        const name =
            conversation
                .name()
                .replace(/[^\p{L}\p{N}]+/gu, "-")
                .replace(/^-|-$/g, "")
                .slice(0, 60) || "text";
        saveFile(`${name}.md`, "text/markdown", conversation.markdown());
    }

    async #import() {
        const file = await chooseFile("application/json,.json");
        if (!file) return;
        let found;
        try {
            found = fromFile(await file.text());
        } catch (error) {
            this.#notices.tell(error.message, null, true);
            return;
        }
        for (const conversation of found) await this.#session.keep(conversation);
        const what = found.length === 1 ? "1 text" : `${found.length} texts`;
        this.#notices.tell(`Imported ${what}`);
        if (found.length > 0) await this.#open(found[0].id);
    }
}

function today() {
    return new Date().toISOString().slice(0, 10);
}

// Today the time, this year the day, and before that the year too.
function when(time) {
    const [then, now] = [new Date(time), new Date()];
    if (then.toDateString() === now.toDateString()) return then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
    return then.toLocaleDateString([], { day: "numeric", month: "short", year });
}
