// A text while it is written: what is asked, the figures as they come in, and how it ends.

import { TokenReader } from "./tokens.js";

export class Writing {
    // Milliseconds to the first piece, tokens written, tokens a second, tokens of the prompt and how many of them were read.
    figures = { first: null, tokens: 0, rate: null, prompt: 0, read: 0 };
    #server;
    #asking;
    #stop = new AbortController();
    #begun = performance.now();
    #reader = new TokenReader();
    #reason = null;
    // Tokens that came at once with the first.
    #counted = 0;

    // `asking` makes the path and the body, which may take questions of its own.
    constructor(server, asking) {
        [this.#server, this.#asking] = [server, asking];
    }

    stop() {
        this.#stop.abort();
    }

    get isStopped() {
        return this.#stop.signal.aborted;
    }

    // Writes; `grown` is given each piece of text with its tokens, or with none where they are not asked for. Returns why it ended:
    // "stop", "length", or "stopped" by who asked. Throws a `Trouble`.
    async run(grown) {
        const piece = (value) => this.#take(value, grown);
        const reading = (read, prompt) => {
            Object.assign(this.figures, { read, prompt });
            grown("", []);
        };
        const { path, body } = await this.#asking();
        const streamed = { ...body, stream: true, stream_options: { include_usage: true } };
        try {
            await this.#server.stream(path, streamed, { piece, reading, signal: this.#stop.signal });
        } catch (error) {
            if (error.name !== "AbortError") throw error;
            return "stopped";
        }
        return this.#reason ?? "stop";
    }

    #take({ choices, usage, timings }, grown) {
        const choice = choices?.[0];
        if (choice?.finish_reason) this.#reason = choice.finish_reason;
        const text = choice?.delta?.content ?? choice?.text ?? "";
        const tokens = choice ? this.#reader.read(choice) : [];
        if (text !== "" || tokens.length > 0) this.#count(Math.max(1, tokens.length));
        if (usage) this.#total(usage, timings);
        grown(text, tokens);
    }

    // By the clock, while it is written: a piece is a token as good as always.
    #count(tokens) {
        const now = performance.now();
        const figures = this.figures;
        figures.tokens += tokens;
        if (figures.first === null) {
            figures.first = now - this.#begun;
            this.#counted = figures.tokens;
        } else {
            figures.rate = ((figures.tokens - this.#counted) * 1000) / Math.max(1, now - this.#begun - figures.first);
        }
    }

    // By the server, in the end.
    #total(usage, timings) {
        const rate = timings?.predicted_per_second ?? this.figures.rate;
        Object.assign(this.figures, { tokens: usage.completion_tokens, prompt: usage.prompt_tokens, read: usage.prompt_tokens, rate });
    }
}
