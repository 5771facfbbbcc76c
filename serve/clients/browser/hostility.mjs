// What a hostile model writes is text, and nothing that it writes holds the page up.

import assert from "node:assert/strict";

import { Between } from "./between.mjs";
import { fine, open, test } from "./browser.mjs";
import { HOSTILE, LONG } from "./hostile.mjs";
import { button, field, watched, written } from "./steps.mjs";

// Times a plain loop's time at the same moment, because machines are shared: the longest task there is takes 14 of them, and a page that is held up for
// good takes minutes.
const LOOPS_MAX = 40;

// How long a loop takes in the page now, in milliseconds.
function loop(page) {
    return page.evaluate(() => {
        const start = performance.now();
        let sum = 0;
        for (let i = 0; i < 12_000_000; i += 1) sum = (sum * 31 + i) | 0;
        return performance.now() - start + (sum === 1 ? 1 : 0);
    });
}

// From now on the page is looked at; what this returns says that nothing held it up since, beside the slower of the loops before and after.
async function looked(page, longest) {
    const before = await loop(page);
    await longest();
    return async (name) => {
        const ms = await longest();
        const loops = [before, await loop(page)];
        console.log(`        ${name}: longest task ${ms} ms, loops ${loops.map(Math.round)} ms`);
        assert.ok(ms < LOOPS_MAX * Math.max(...loops), `${name} held the page up for ${ms} ms`);
    };
}

export async function hostility({ chat, notebook }) {
    await test("whatever a hostile model writes is text, and the page stays quick", async () => {
        const between = await Between.to(chat.at);
        const page = await open(between.url);
        const longest = await watched(page);
        for (const [
            name,
            {
                pieces,
                shows = [],
                shuns = "script, img, iframe, object, embed, form, input, style, link, svg:not(.icon svg), video, audio, base, meta",
            },
        ] of Object.entries(HOSTILE)) {
            await button(page, "New text").click();
            const staysQuick = await looked(page, longest);
            between.fake = () => ({ pieces });
            await field(page).fill(name);
            await field(page).press("Enter");
            // It can be typed in meanwhile.
            await field(page).pressSequentially("quick");
            assert.equal(await field(page).inputValue(), "quick", name);
            await page.locator(".primary.stop:visible").waitFor({ state: "detached", timeout: 30_000 });
            const body = page.locator(".turn.model .body");
            assert.equal(await body.locator(shuns).count(), 0, name);
            const text = await body.evaluate((element) => element.textContent);
            for (const part of shows) assert.ok(text.includes(part), `${name}: no ${part} in ${text.slice(0, 500)}`);
            const links = await body.locator("a").evaluateAll((all) => all.map(({ protocol, rel, target }) => ({ protocol, rel, target })));
            for (const { protocol, rel, target } of links) {
                assert.ok(
                    ["http:", "https:"].includes(protocol) && rel.includes("noopener") && target === "_blank",
                    `${name}: ${protocol} ${rel}`,
                );
            }
            await staysQuick(name);
            assert.equal(await page.evaluate(() => globalThis.hacked), undefined, name);
        }
        // The title, the list and the exported file are text too.
        assert.equal(await page.locator(".side img, .side script").count(), 0);
        await fine(page);
        between.close();
    });

    await test("a notebook of a megabyte is text too, and stays quick", async () => {
        const between = await Between.to(notebook.at);
        between.fake = () => ({ pieces: LONG });
        const page = await open(between.url);
        const longest = await watched(page);
        const staysQuick = await looked(page, longest);
        await field(page).fill("<b>");
        await field(page).press("Control+Enter");
        await page.locator(".primary.stop:visible").waitFor({ state: "detached", timeout: 30_000 });
        assert.equal((await written(page)).length, 3 + LONG.join("").length);
        await staysQuick("a megabyte");
        await fine(page);
        between.close();
    });
}
