// A stream of server-sent events, taken apart as it comes in. It knows nothing of what the events say.

export class EventParser {
    // What has come of a line that has no end yet. A line may be a megabyte in a thousand pieces, so they are joined once.
    #pieces = [];
    #data = [];
    #event;
    #comment;

    // `event` is given the data of each event, `comment` each comment.
    constructor(event, comment = () => {}) {
        this.#event = event;
        this.#comment = comment;
    }

    // Takes what has come. An event may end anywhere in it, or in a later piece.
    push(text) {
        this.#pieces.push(text);
        const waits = this.#pieces.at(-2)?.endsWith("\r");
        if (!waits && !/[\r\n]/.test(text)) return;
        const rest = this.#pieces.join("");
        let start = 0;
        for (const { 0: end, index } of rest.matchAll(/\r\n|\n|\r/g)) {
            // The other half of a line's end may be on its way.
            if (end === "\r" && index === rest.length - 1) break;
            this.#line(rest.slice(start, index));
            start = index + end.length;
        }
        this.#pieces = [rest.slice(start)];
    }

    #line(line) {
        if (line === "") {
            const data = this.#data;
            this.#data = [];
            if (data.length > 0) this.#event(data.join("\n"));
        } else if (line.startsWith(":")) {
            this.#comment(line.slice(1).trimStart());
        } else if (line.startsWith("data:")) {
            this.#data.push(line.slice(line[5] === " " ? 6 : 5));
        }
    }
}
