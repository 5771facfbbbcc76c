// What stands between somebody and an answer, and what they can do about it.

export class Trouble extends Error {
    // `kind` is "gone" (nobody answers), "refused" (by a status) or "broken" (an answer that has no end); the rest is what the server said.
    constructor(kind, message, { status = 0, code = null, param = null, retryAfter = 0 } = {}) {
        super(message);
        Object.assign(this, { kind, status, code, param, retryAfter });
    }

    // From an answer that is a refusal.
    static async of(response) {
        const text = await response.text().catch(() => "");
        const retryAfter = Number.parseInt(response.headers.get("retry-after") ?? "", 10) || 0;
        try {
            return Trouble.ofBody(JSON.parse(text), { status: response.status, retryAfter });
        } catch {
            return new Trouble("refused", `something on the way says ${response.status} ${response.statusText}`.trim(), {
                status: response.status,
                retryAfter,
            });
        }
    }

    // From an error as the server words it, alone or in the middle of an answer.
    static ofBody({ error }, { status = error.status ?? 0, retryAfter = 0 } = {}) {
        return new Trouble("refused", `${error.message}`, { status, retryAfter, code: error.code, param: error.param });
    }
}

// What to say of it: what happened, what to do, and what a button could do at once ("again", "key", "shorten"), or null.
export function advice(trouble) {
    const { kind, status, code, param, message, retryAfter } = trouble;
    if (kind === "gone") {
        return {
            what: "The server does not answer",
            todo: "See whether it is still running and the network is up, then try again.",
            action: "again",
        };
    }
    if (kind === "broken") {
        return { what: "The answer broke off", todo: "What came of it is kept. Go on from there, or try again.", action: "again" };
    }
    if (status === 401) {
        return { what: "The server asks for a key", todo: "Whoever runs it has one.", action: "key" };
    }
    if (code === "context_length_exceeded") {
        return {
            what: "The text is longer than the model sees",
            todo: `${sentence(message)} Shorten it, or leave its beginning out of sight.`,
            action: "shorten",
        };
    }
    if (status === 429 || status === 503) {
        const wait = retryAfter > 0 ? ` It can be asked again in ${retryAfter} s.` : "";
        return { what: "The server is busy", todo: `${sentence(message)}${wait}`, action: "again" };
    }
    if (status === 404 && code === "model_not_found") {
        return { what: "The model is not served any more", todo: "Choose another one at the top.", action: null };
    }
    if (status === 400 && param) {
        return {
            what: "The server does not take a setting",
            todo: `${sentence(message)} Change it in the settings, then try again.`,
            action: "again",
        };
    }
    if (status === 413) {
        return { what: "The text is too large to be sent", todo: sentence(message), action: null };
    }
    return { what: "The server could not answer", todo: sentence(message), action: "again" };
}

function sentence(words) {
    const first = words.slice(0, 1).toUpperCase() + words.slice(1, 500);
    return /[.!?]$/.test(first) ? first : `${first}.`;
}
