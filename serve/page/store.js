// Where conversations are kept: in this browser, for this address, and nowhere else. Tabs tell each other what they changed.

import { Conversation } from "./conversation.js";

const NAME = "tercet";
// What lists show stands apart from what was said, which may be much.
const [HEADS, BODIES] = ["heads", "bodies"];

export class Store {
    #database;
    #channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(NAME) : null;

    // `changed` is given the id of what another tab changed.
    static async open(changed) {
        const store = new Store();
        store.#database = await database();
        store.#channel?.addEventListener("message", ({ data }) => changed(data));
        return store;
    }

    async #run(mode, work) {
        const transaction = this.#database.transaction([HEADS, BODIES], mode);
        const request = work(transaction.objectStore(HEADS), transaction.objectStore(BODIES));
        await new Promise((resolve, reject) => {
            transaction.oncomplete = resolve;
            transaction.onabort = () => reject(transaction.error);
        });
        return request?.result;
    }

    // What is kept, as `{ id, name, changed }`, the latest first.
    async list() {
        const heads = await this.#run("readonly", (heads) => heads.getAll());
        return heads.sort((a, b) => b.changed - a.changed);
    }

    async get(id) {
        const kept = await this.#run("readonly", (_, bodies) => bodies.get(id));
        return kept && new Conversation(kept);
    }

    async put(conversation) {
        const { id, changed } = conversation;
        await this.#run("readwrite", (heads, bodies) => {
            heads.put({ id, changed, name: conversation.name() });
            bodies.put(conversation.kept());
        });
        this.#channel?.postMessage(id);
    }

    async remove(id) {
        await this.#run("readwrite", (heads, bodies) => {
            heads.delete(id);
            bodies.delete(id);
        });
        this.#channel?.postMessage(id);
    }
}

function database() {
    return new Promise((resolve, reject) => {
        const request = indexedDB.open(NAME, 1);
        request.onupgradeneeded = () => {
            for (const name of [HEADS, BODIES]) request.result.createObjectStore(name, { keyPath: "id" });
        };
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
        request.onblocked = () => reject(new Error("another tab holds what is kept"));
    });
}

// In place of the store where a browser keeps nothing: what was said is there until the page is closed.
export class ShortStore {
    #kept = new Map();

    async list() {
        const heads = [...this.#kept.values()].map((one) => ({ id: one.id, name: one.name(), changed: one.changed }));
        return heads.sort((a, b) => b.changed - a.changed);
    }

    async get(id) {
        return this.#kept.get(id);
    }

    async put(conversation) {
        this.#kept.set(conversation.id, conversation);
    }

    async remove(id) {
        this.#kept.delete(id);
    }
}
