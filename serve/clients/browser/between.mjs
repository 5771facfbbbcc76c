// What stands between the page and a server in a test: it hands everything on, and says what it saw; on demand it is slow, gone, breaks
// off, or answers itself, as a server might that means no good.

import http from "node:http";

export class Between {
    // Bodies of requests for text, the latest last.
    seen = [];
    // Milliseconds between two pieces of an answer.
    slow = 0;
    // Nobody answers.
    gone = false;
    // Called with a path and a body: `{ status, headers, body }`, `{ pieces, slow, cut }`, or nothing for the server's own answer.
    fake = () => undefined;
    // Requests for text whose client went away before their end.
    left = 0;
    #upstream;
    #server = http.createServer((request, response) => this.#answer(request, response));

    static async to(upstream) {
        const between = new Between();
        between.#upstream = new URL(upstream);
        await new Promise((resolve) => between.#server.listen(0, "127.0.0.1", resolve));
        between.url = `http://127.0.0.1:${between.#server.address().port}`;
        return between;
    }

    close() {
        this.#server.closeAllConnections();
        this.#server.close();
    }

    async #answer(request, response) {
        if (this.gone) return response.destroy();
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const text = Buffer.concat(chunks);
        const writes = request.url.startsWith("/v1/") && request.url.endsWith("completions");
        const body = writes ? JSON.parse(text) : undefined;
        if (writes) {
            this.seen.push({ path: request.url, ...body });
            response.on("close", () => (this.left += response.writableFinished ? 0 : 1));
        }
        const fake = writes ? this.fake(request.url, body) : undefined;
        if (fake?.pieces) return this.#stream(response, request.url, fake);
        if (fake) {
            response.writeHead(fake.status, { "content-type": "application/json", ...fake.headers });
            return response.end(JSON.stringify(fake.body));
        }
        const { hostname, port } = this.#upstream;
        const asked = http.request(
            { hostname, port, path: request.url, method: request.method, headers: request.headers },
            async (answer) => {
                response.writeHead(answer.statusCode, answer.headers);
                if (!writes || !this.slow) return answer.pipe(response);
                for await (const chunk of answer) {
                    for (const event of chunk.toString("latin1").split(/(?<=\n\n)/)) {
                        if (response.destroyed) return undefined;
                        response.write(Buffer.from(event, "latin1"));
                        await sleep(this.slow);
                    }
                }
                return response.end();
            },
        );
        asked.on("error", () => response.destroy());
        response.on("close", () => asked.destroy());
        return asked.end(text);
    }

    async #stream(response, path, { pieces, slow = 0, cut = false }) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        // One for every piece that had to wait.
        response.setMaxListeners(0);
        const send = async (value) => {
            if (!response.write(`data: ${JSON.stringify(value)}\n\n`) && !response.destroyed) {
                await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
            }
            if (slow) await sleep(slow);
        };
        const choice = (text) => (path.includes("chat") ? { delta: { content: text } } : { text });
        for (const piece of pieces) {
            if (response.destroyed) return;
            await send({ choices: [{ index: 0, ...choice(piece), finish_reason: null }] });
        }
        if (cut) {
            response.destroy();
            return;
        }
        await send({ choices: [{ index: 0, ...choice(""), finish_reason: "stop" }] });
        await send({ choices: [], usage: { prompt_tokens: 3, completion_tokens: pieces.length, total_tokens: 3 + pieces.length } });
        response.end("data: [DONE]\n\n");
    }
}

export function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}
