// The tokens of an answer with what the model thought of them, from either of the two forms that the server tells it in. A token is
// `[text, logProb, [[text, logProb], …]]`, as short as it is kept; `logProb` is null where nothing is known.

// How many of the likeliest tokens are asked for.
export const LIKELIEST = 10;
// Bits of surprise at which a token is as red as it gets.
const BITS_MOST = 10;

export class TokenReader {
    // A character may be made of several tokens; it is the text of the last of them.
    #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

    // The tokens that a choice of an answer tells of.
    read(choice) {
        const told = choice.logprobs;
        if (!told) return [];
        if (told.content) {
            const name = ({ token, bytes, logprob }) => [bytes ? lone(new Uint8Array(bytes)) : token, logprob];
            return told.content.map((one) => this.#token(bytesOf(one), one.logprob, one.top_logprobs.map(name)));
        }
        return (told.tokens ?? []).map((token, i) => {
            const likeliest = Object.entries(told.top_logprobs?.[i] ?? {}).map(([name, p]) => [lone(bytesOfName(name)), p]);
            return this.#token(bytesOfName(token), told.token_logprobs[i], likeliest);
        });
    }

    #token(bytes, logProb, likeliest) {
        likeliest.sort((a, b) => b[1] - a[1]);
        return [this.#decoder.decode(bytes, { stream: true }), logProb, likeliest.slice(0, LIKELIEST)];
    }
}

const encoder = new TextEncoder();

function bytesOf({ token, bytes }) {
    return bytes ? new Uint8Array(bytes) : encoder.encode(token);
}

// The older form writes parts of characters as `bytes:\xe2\x80`.
function bytesOfName(name) {
    if (!/^bytes:(\\x[0-9a-f]{2})+$/.test(name)) return encoder.encode(name);
    return Uint8Array.from(name.slice(8).split("\\x"), (hex) => Number.parseInt(hex, 16));
}

// A token by itself: parts of characters as their bytes.
function lone(bytes) {
    try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
        return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    }
}

// Bits of surprise of a logarithm of a probability.
export function bits(logProb) {
    return -logProb / Math.LN2;
}

// How red a token is, from 0 for one that was expected to 1 for one of a thousandth.
export function surprise(logProb) {
    return Math.min(1, Math.max(0, bits(logProb) / BITS_MOST));
}

// The mean surprise of those that are known, in bits; undefined where none is.
export function meanBits(tokens) {
    const known = tokens.filter(([, logProb]) => logProb !== null);
    return known.length > 0 ? known.reduce((sum, [, logProb]) => sum + bits(logProb), 0) / known.length : undefined;
}

// A token as it is shown by itself, where a space is to be seen.
export function spelled(text) {
    const signs = { "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d" };
    return text === ""
        ? "\u2205"
        : text.replace(/^ +| +$/g, (spaces) => "\u00b7".repeat(spaces.length)).replace(/[\n\t\r]/g, (c) => signs[c]);
}
