// How texts are to be written. Only what somebody changed is kept and asked for: the rest is the model's own, whichever it is.

// What OpenAI's two penalties take, which are taken off a token's logit.
const ADDED = { least: -2, most: 2, floor: -2, limit: 2, step: 0.01, digits: 2 };

// The settings of the sampler: what they are called here, by OpenAI's clients and by the server's defaults; what a slider and a field
// take; where they do nothing.
export const SAMPLING = [
    {
        name: "temperature",
        label: "Temperature",
        most: 2,
        limit: 100,
        step: 0.01,
        digits: 2,
        hint: "Above 1 bolder, below 1 safer, 0 always the likeliest token",
    },
    {
        name: "top_k",
        label: "Top-k",
        most: 200,
        limit: 1e6,
        step: 1,
        digits: 0,
        drawn: true,
        hint: "Only the k likeliest tokens; 0 keeps all",
    },
    {
        name: "top_p",
        label: "Top-p",
        most: 1,
        limit: 1,
        step: 0.001,
        digits: 3,
        drawn: true,
        hint: "Only the likeliest tokens that together have this probability; 1 keeps all",
    },
    {
        name: "min_p",
        label: "Min-p",
        most: 1,
        limit: 1,
        step: 0.001,
        digits: 3,
        drawn: true,
        hint: "Drops tokens this much less likely than the best; 0 drops none",
    },
    {
        name: "repeat_penalty",
        label: "Repetition penalty",
        least: 0.5,
        most: 2,
        floor: 0.1,
        limit: 10,
        step: 0.01,
        digits: 2,
        hint: "Makes recent tokens less likely; 1 does nothing",
    },
    {
        name: "presence_penalty",
        label: "Presence penalty",
        ...ADDED,
        hint: "Makes tokens that were there less likely; 0 does nothing",
    },
    {
        name: "frequency_penalty",
        label: "Frequency penalty",
        ...ADDED,
        hint: "Makes tokens less likely the more often they were there; 0 does nothing",
    },
    {
        name: "repeat_last_n",
        label: "Penalty window",
        most: 512,
        limit: 1e6,
        step: 1,
        digits: 0,
        penalised: true,
        hint: "How many tokens count as recent",
    },
];

export const LENGTH = {
    name: "max_tokens",
    label: "Most tokens",
    least: 1,
    most: 2000,
    limit: 1e6,
    step: 1,
    digits: 0,
    hint: "A text ends after so many tokens",
};

// Settings that go together, as changes to the model's own.
export const PRESETS = [
    { name: "Greedy", about: "Always the likeliest token: the same text every time", changes: { temperature: 0 } },
    { name: "Balanced", about: "What the model's file asks for", changes: {} },
    {
        name: "Creative",
        about: "A higher temperature, with the least likely tokens left out",
        changes: { temperature: 1.1, top_k: 0, top_p: 1, min_p: 0.05 },
    },
];

const USUAL = { sampling: {}, seed: null, maxTokens: 400, stop: "", model: null, probabilities: false };
const KEY = "tercet.settings";

// The settings as they were left, in `storage`, or the usual ones.
export function loadSettings(storage) {
    try {
        return checked(JSON.parse(storage.getItem(KEY)));
    } catch {
        return structuredClone(USUAL);
    }
}

// Keeps them. Where a browser keeps nothing, they hold until the page is closed.
export function saveSettings(storage, settings) {
    try {
        storage.setItem(KEY, JSON.stringify(settings));
    } catch {
        // See above.
    }
}

// What was stored may be of another version of this page.
function checked(found) {
    const sampling = {};
    for (const field of SAMPLING) {
        const value = found.sampling?.[field.name];
        if (Number.isFinite(value)) sampling[field.name] = within(field, value);
    }
    const count = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);
    return {
        sampling,
        seed: count(found.seed),
        maxTokens: within(LENGTH, count(found.maxTokens) ?? USUAL.maxTokens),
        stop: typeof found.stop === "string" ? found.stop : "",
        model: typeof found.model === "string" ? found.model : null,
        probabilities: found.probabilities === true,
    };
}

// The nearest value that a setting can have.
export function within({ least = 0, floor = least, limit, step }, value) {
    const exact = step === 1 ? Math.round(value) : value;
    return Math.min(limit, Math.max(floor, exact));
}

// The preset that is on, if one is.
export function presetOf(sampling, defaults) {
    const is = (changes) => SAMPLING.every(({ name }) => (sampling[name] ?? defaults[name]) === (changes[name] ?? defaults[name]));
    return PRESETS.find(({ changes }) => is(changes));
}

// A seed, short enough to be written down.
export function newSeed() {
    return Math.floor(Math.random() * 1_000_000);
}

// Strings that end a text as a person types them: one a line, `\n` for a line break.
export function stopsOf(typed) {
    const signs = { n: "\n", t: "\t", "\\": "\\" };
    return typed
        .split("\n")
        .map((line) => line.replace(/\\([nt\\])/g, (_, c) => signs[c]))
        .filter((line) => line !== "");
}

// The fields of a request that say how to write.
export function fields(settings, seed) {
    const stop = stopsOf(settings.stop);
    return { ...settings.sampling, seed, max_tokens: settings.maxTokens, ...(stop.length > 0 ? { stop } : {}) };
}
