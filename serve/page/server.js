// The server that this page came from, as its API is asked. Every failure is a `Trouble`.

import { EventParser } from "./events.js";
import { Trouble } from "./trouble.js";

const KEY = "tercet.key";

export class Server {
    // Beside the page, also where a proxy has it below a path.
    #base = new URL(".", document.baseURI);

    // The key that is asked with. It is forgotten with the tab.
    get key() {
        try {
            return sessionStorage.getItem(KEY) ?? this.#key;
        } catch {
            return this.#key;
        }
    }

    set key(key) {
        this.#key = key;
        try {
            sessionStorage.setItem(KEY, key);
        } catch {
            // A browser that keeps nothing has it until the page is closed.
        }
    }

    #key = "";

    async #fetch(path, options = {}) {
        const headers = this.key === "" ? {} : { authorization: `Bearer ${this.key}` };
        let response;
        try {
            response = await fetch(new URL(path, this.#base), { ...options, headers, cache: "no-store", credentials: "omit" });
        } catch (error) {
            throw error.name === "AbortError" ? error : new Trouble("gone", `${error.message}`);
        }
        if (!response.ok) throw await Trouble.of(response);
        return response;
    }

    async #json(path, body) {
        const response = await this.#fetch(path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
        try {
            return await response.json();
        } catch {
            throw new Trouble("gone", "what came is no answer of this server's");
        }
    }

    // The models that are served, as `{ id, converses, context }`.
    async models() {
        const { data } = await this.#json("v1/models");
        return data.map(({ id, meta }) => ({ id, converses: meta?.chat ?? true, context: meta?.n_ctx }));
    }

    // How a model is served: where it runs, and its own settings for the sampler.
    async about(model) {
        const props = await this.#json(`props?model=${encodeURIComponent(model)}`);
        // They are numbers of 32 bits, which 0.8 is not one of.
        const params = Object.entries(props.default_generation_settings?.params ?? {}).filter(([, value]) => Number.isFinite(value));
        return { device: props.device, defaults: Object.fromEntries(params.map(([name, value]) => [name, Number(value.toPrecision(6))])) };
    }

    // The ids of a text. `special` where names of control tokens in it mean them.
    async ids(model, content, special) {
        const { tokens } = await this.#json("tokenize", { model, content, add_special: !special, parse_special: special });
        return tokens;
    }

    // The text that a conversation is to the model.
    async written(model, messages) {
        const { prompt } = await this.#json("apply-template", { model, messages });
        return prompt;
    }

    // Asks for a text that comes piece by piece. `piece` is given each, `reading` how much of the prompt was read.
    async stream(path, body, { piece, reading, signal }) {
        const response = await this.#fetch(path, { method: "POST", body: JSON.stringify(body), signal });
        let done = false;
        const event = (data) => {
            if (data === "[DONE]") {
                done = true;
                return;
            }
            const value = JSON.parse(data);
            if (value.error) throw Trouble.ofBody(value);
            piece(value);
        };
        const comment = (text) => {
            const [, read, total] = /^prompt (\d+) of (\d+)$/.exec(text) ?? [];
            if (total) reading(Number(read), Number(total));
        };
        const parser = new EventParser(event, comment);
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        try {
            for (;;) {
                const { value, done: ended } = await reader.read();
                if (ended) break;
                parser.push(value);
            }
        } catch (error) {
            if (error instanceof Trouble || error.name === "AbortError") throw error;
            throw new Trouble("broken", `${error.message}`);
        } finally {
            reader.cancel().catch(() => {});
        }
        if (!done) throw new Trouble("broken", "the answer has no end");
    }
}
