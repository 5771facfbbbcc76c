// What is going on: the conversation that is open, what is being written in it, and all that can be done with it. It draws nothing; whoever
// does hears of "changed" (what is seen), "grown" (the text that is being written), "listed" (what is kept), and "model".

import { asking } from "./asking.js";
import { Conversation } from "./conversation.js";
import { append, settle } from "./growing.js";
import { newSeed } from "./settings.js";
import { ROOT } from "./tree.js";
import { Trouble } from "./trouble.js";
import { Writing } from "./writing.js";

const SAVE_MS = 400;

export class Session extends EventTarget {
    server;
    settings;
    models = [];
    model = null;
    // Settings of the sampler that the model's file asks for, and where it runs.
    about = { defaults: {}, device: "" };
    conversation = new Conversation({ mode: "conversation" });
    // The text that is being written and the node that it grows in, or null.
    writing = null;
    node = null;
    // What went wrong last, and what to do to try again, or null.
    trouble = null;
    #store;
    #unsaved = null;
    // What was taken away while it was written, which is not to come back by that.
    #removed = new Set();

    constructor(server, store, settings) {
        super();
        this.server = server;
        this.settings = settings;
        this.#store = store;
    }

    #tell(what) {
        this.dispatchEvent(new Event(what));
    }

    // Finds out what is served. Throws a `Trouble`.
    async connect() {
        this.models = await this.server.models();
        await this.choose(this.models.find(({ id }) => id === this.settings.model) ?? this.models[0]);
    }

    async choose(model) {
        const fits = !this.conversation.isEmpty() || this.conversation.mode === this.#usualMode(model);
        this.about = await this.server.about(model.id);
        this.model = model;
        if (!fits) this.conversation = new Conversation({ mode: this.#usualMode(model) });
        this.#tell("model");
        if (!fits) this.#tell("changed");
    }

    // A model without a template only continues text.
    #usualMode(model) {
        return model?.converses === false ? "notebook" : "conversation";
    }

    // Shows another conversation, or an empty one.
    begin(mode = this.#usualMode(this.model)) {
        this.#show(new Conversation({ mode }));
    }

    async open(id) {
        await this.flush();
        const found = await this.#store.get(id);
        if (found) this.#show(found);
        return found;
    }

    #show(conversation) {
        this.stop();
        this.flush();
        this.conversation = conversation;
        [this.writing, this.node, this.trouble] = [null, null, null];
        this.#tell("changed");
        this.#tell("listed");
    }

    // Another tab changed what is kept.
    async changedElsewhere(id) {
        this.#tell("listed");
        if (id !== this.conversation.id || this.writing || this.#unsaved) return;
        const found = await this.#store.get(id);
        if (!found) return;
        this.conversation = found;
        this.#tell("changed");
    }

    // What is kept, the latest first.
    list() {
        return this.#store.list();
    }

    // One of those.
    kept(id) {
        return this.#store.get(id);
    }

    // Keeps the conversation soon, with all that will have happened by then.
    save() {
        this.conversation.changed = Date.now();
        if (this.#unsaved) return;
        const timer = setTimeout(() => this.flush(), SAVE_MS);
        this.#unsaved = { timer, conversation: this.conversation };
    }

    // Keeps it now.
    async flush() {
        if (!this.#unsaved) return;
        const { timer, conversation } = this.#unsaved;
        clearTimeout(timer);
        this.#unsaved = null;
        if (!conversation.isEmpty()) await this.keep(conversation);
    }

    // Keeps it; where the browser has no room for it, "unkept" is told.
    async keep(conversation) {
        try {
            await this.#store.put(conversation);
        } catch {
            this.#tell("unkept");
        }
        this.#tell("listed");
    }

    async rename(id, title) {
        if (id === this.conversation.id) {
            this.conversation.title = title;
            return this.keep(this.conversation);
        }
        const found = await this.#store.get(id);
        if (found) await this.keep(Object.assign(found, { title }));
    }

    // Takes it away; returns what puts it back.
    async remove(id) {
        await this.flush();
        const isOpen = id === this.conversation.id;
        const found = isOpen ? this.conversation : await this.#store.get(id);
        this.#removed.add(id);
        if (isOpen) this.begin();
        await this.#store.remove(id);
        this.#tell("listed");
        return async () => {
            this.#removed.delete(id);
            await this.keep(found);
            if (isOpen) this.#show(found);
        };
    }

    // Empties it; returns what fills it again.
    clear() {
        this.stop();
        const before = this.conversation;
        const { id, mode, system, title, created } = before;
        const show = (conversation) => {
            this.conversation = conversation;
            [this.writing, this.node, this.trouble] = [null, null, null];
            this.save();
            this.#tell("changed");
        };
        show(new Conversation({ id, mode, system, title, created }));
        return () => {
            if (this.conversation.id === id) show(before);
        };
    }

    // Somebody typed; in a notebook `text` is all of it.
    draft(text) {
        this.conversation.draft = text;
        this.save();
    }

    // Makes what was typed in a notebook a part of it.
    adopt() {
        const { conversation } = this;
        if (conversation.mode === "notebook" && conversation.draft !== "") {
            conversation.tree.adopt(conversation.draft);
            conversation.draft = "";
        }
    }

    last() {
        return this.conversation.tree.path().at(-1);
    }

    // Says something, and has the model answer.
    say(text) {
        const { tree } = this.conversation;
        this.conversation.draft = "";
        return this.#answer(tree.add(this.last()?.id ?? ROOT, { role: "user", text }).id);
    }

    // Has the notebook go on.
    write() {
        this.adopt();
        return this.#answer(this.last()?.id ?? ROOT);
    }

    // Has what the model wrote be written anew, as another version.
    again(node) {
        this.adopt();
        return this.#answer(node.parent);
    }

    // Goes on with a turn of the model's.
    goOn(node) {
        return this.#write(node, node, () => this.goOn(node));
    }

    #answer(parent) {
        const { tree } = this.conversation;
        const node = tree.add(parent, { role: "assistant", text: "" });
        return this.#write(node, tree.get(parent), () => this.#answer(parent));
    }

    // Another version of a turn, in somebody's words; of their own it is answered.
    edit(node, text) {
        const edited = this.conversation.tree.add(node.parent, { role: node.role, text });
        if (node.role === "user") return this.#answer(edited.id);
        this.#changed();
        return undefined;
    }

    // Another version of what the model wrote: with another token, and whatever follows from it.
    rewrite(node, index, token) {
        const tokens = node.tokens.slice(0, index);
        const text = tokens.map(([one]) => one).join("") + token[0];
        const { tree } = this.conversation;
        const likeliest = node.tokens[index][2];
        const begun = tree.add(node.parent, { role: node.role, text, tokens: [...tokens, [...token, likeliest]] });
        return this.conversation.mode === "notebook" ? this.#answer(begun.id) : this.goOn(begun);
    }

    step(node, by) {
        this.adopt();
        this.conversation.tree.step(node, by);
        this.trouble = null;
        this.#changed();
    }

    // From now on what the model does not see any more is left out.
    slide() {
        this.conversation.slides = true;
        this.trouble?.again();
    }

    stop() {
        this.writing?.stop();
    }

    #changed() {
        this.save();
        this.#tell("changed");
    }

    // Writes into `node` what comes behind `behind`.
    async #write(node, behind, again) {
        const { conversation } = this;
        this.stop();
        this.trouble = null;
        const seed = this.settings.seed ?? newSeed();
        const writing = new Writing(this.server, () =>
            asking({ server: this.server, model: this.model, settings: this.settings, conversation, node: behind, seed }),
        );
        [this.writing, this.node] = [writing, node];
        this.#changed();
        const probabilities = this.settings.probabilities;
        let trouble = null;
        try {
            if (!this.model) await this.connect();
            node.ended = await writing.run((text, tokens) => {
                append(node, text, probabilities ? tokens : null);
                if (this.node === node) this.#tell("grown");
            });
            // The last token is not read, so that there can be one more than the model sees.
            if (node.ended === "length" && writing.figures.prompt + writing.figures.tokens > this.model.context) node.ended = "context";
        } catch (error) {
            trouble = error instanceof Trouble ? error : new Trouble("broken", `${error.message}`);
            node.ended = "broken";
        }
        settle(node);
        node.figures = { ...writing.figures, seed, model: this.model?.id };
        if (node.text === "" && node.ended !== "stop") conversation.tree.remove(node);
        if (this.writing === writing) {
            [this.writing, this.node] = [null, null];
            if (trouble) this.trouble = { trouble, again };
            this.#changed();
            this.#tell("ended");
            await this.flush();
        } else if (conversation.id !== this.conversation.id && !this.#removed.has(conversation.id)) {
            await this.keep(conversation);
        }
    }
}
