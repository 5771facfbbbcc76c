import assert from "node:assert/strict";
import { test } from "node:test";

import { fields, loadSettings, PRESETS, presetOf, saveSettings, stopsOf } from "../settings.js";

function storage(text = null) {
    const kept = { text };
    return { getItem: () => kept.text, setItem: (_, value) => (kept.text = value) };
}

test("only what was changed is asked for", () => {
    const settings = loadSettings(storage());
    assert.deepEqual(fields(settings, 7), { seed: 7, max_tokens: 400 });
    settings.sampling.top_p = 0.5;
    settings.stop = "END\n\\n\\n";
    assert.deepEqual(fields(settings, 7), { top_p: 0.5, seed: 7, max_tokens: 400, stop: ["END", "\n\n"] });
});

test("settings come back as they were kept, and are mended where they are none", () => {
    const settings = { ...loadSettings(storage()), seed: 3, sampling: { temperature: 0 }, stop: "x", probabilities: true, model: "m" };
    const kept = storage();
    saveSettings(kept, settings);
    assert.deepEqual(loadSettings(kept), settings);
    const odd = { sampling: { temperature: "hot", top_p: 7, other: 1 }, seed: -1, maxTokens: 0, stop: 4 };
    assert.deepEqual(loadSettings(storage(JSON.stringify(odd))), { ...loadSettings(storage()), sampling: { top_p: 1 }, maxTokens: 1 });
    for (const text of ["{", "null", "7"]) assert.equal(loadSettings(storage(text)).maxTokens, 400, text);
});

test("a preset is seen from the settings", () => {
    const defaults = { temperature: 0.8, top_k: 0, top_p: 0.95, min_p: 0 };
    const name = (sampling) => presetOf(sampling, defaults)?.name;
    for (const { name: expected, changes } of PRESETS) assert.equal(name(changes), expected);
    assert.equal(name({ temperature: 0.8 }), "Balanced");
    assert.equal(name({ temperature: 0.7 }), undefined);
});

test("strings that end a text are meant as they are typed", () => {
    assert.deepEqual(stopsOf("END\n\n\\n\\n\na\\tb\n\\\\n\n\\"), ["END", "\n\n", "a\tb", "\\n", "\\"]);
});
