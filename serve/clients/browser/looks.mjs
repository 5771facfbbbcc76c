// What the page looks like, and how it is used by who sees it otherwise or has no pointer: probabilities, theme, keyboard, pictures.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

import { Between } from "./between.mjs";
import { DESK, fine, open, PHONE, test } from "./browser.mjs";
import { answer, busy, button, field, folder, here, idle, say, set, until, write } from "./steps.mjs";

const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function looks({ chat, notebook }) {
    await test("probabilities colour what was written, and another token writes it anew", async () => {
        for (const [server, ask] of [
            [chat, (page) => say(page, "Ho")],
            [notebook, (page) => write(page, "ROMEO:")],
        ]) {
            const page = await open(server.at);
            await set(page, "Most tokens", 30);
            await button(page, "Probabilities").click();
            await page.getByText("Probabilities come with what is written from now on").waitFor();
            await ask(page);
            const tokens = page.locator(".tokens .token");
            assert.equal(await tokens.count(), 30);
            const colours = await tokens.evaluateAll((all) => new Set(all.map((one) => getComputedStyle(one).color)).size);
            assert.ok(colours > 5, `${colours} colours`);
            assert.match(await page.locator(".legend").innerText(), /\d\.\d\d bits a token/);
            const before = await tokens.allInnerTexts();
            await tokens.filter({ hasText: /\w/ }).nth(3).hover();
            const card = page.getByRole("dialog", { name: "What the model would have written" });
            assert.equal(await card.getByRole("button").count(), 10);
            assert.match(await card.innerText(), /[\d.]+ %, \d+\.\d bits/);
            // By the keys alone.
            await page.mouse.move(0, 0);
            await tokens.first().focus();
            for (let i = 0; i < 5; i += 1) await page.keyboard.press("ArrowRight");
            await page.keyboard.press("Enter");
            const rows = card.locator("button:not(.own)");
            await rows.first().waitFor();
            const other = (await rows.nth(1).locator(".token").innerText()).replaceAll("\u00b7", " ").replaceAll("\u21b5", "\n");
            await rows.nth(1).focus();
            await page.keyboard.press("Enter");
            await idle(page);
            await until("it is written anew", async () => (await tokens.count()) >= 7);
            const after = await tokens.allInnerTexts();
            assert.deepEqual(after.slice(0, 5), before.slice(0, 5));
            assert.equal(after[5].trim(), other.trim());
            await button(page, "The version before").last().click();
            assert.deepEqual(await tokens.allInnerTexts(), before);
            await button(page, "Probabilities").click();
            assert.equal(await page.locator(".tokens").count(), 0);
            await fine(page);
        }
    });

    await test("the theme is the system's until one is chosen, which stays", async () => {
        const page = await open(chat.at, { theme: "light" });
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await ground();
        await button(page, "Light or dark").click();
        const dark = await ground();
        assert.notEqual(dark, light);
        await page.reload();
        await field(page).waitFor();
        assert.equal(await ground(), dark);
        await button(page, "Light or dark").click();
        assert.equal(await ground(), light);
        await fine(page);
    });

    await test("everything can be done by the keyboard", async () => {
        const between = await Between.to(chat.at);
        between.slow = 30;
        const page = await open(between.url);
        const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
        await page.locator("body").press("Tab");
        await page.evaluate(() => document.activeElement.blur());
        await page.keyboard.press("/");
        assert.equal(await focused(), "What you say");
        await page.keyboard.type("One");
        await page.keyboard.press("Shift+Enter");
        await page.keyboard.type("two");
        assert.equal(await field(page).inputValue(), "One\ntwo");
        await page.keyboard.press("Enter");
        await until("it writes", async () => (await answer(page).innerText()).length > 3);
        await page.keyboard.press("Escape");
        await idle(page);
        assert.equal(await focused(), "What you say");
        // Slashes and question marks are typed where something is typed.
        await page.keyboard.type("/?");
        assert.equal(await field(page).inputValue(), "/?");
        await page.evaluate(() => document.activeElement.blur());
        await page.keyboard.press("?");
        await page.getByRole("dialog", { name: "Help" }).waitFor();
        await page.keyboard.press("Escape");
        assert.equal(await page.getByRole("dialog").count(), 0);
        // Every control is met on the way, and shows that it is.
        await page.evaluate(() => document.activeElement.blur());
        const met = [];
        for (let i = 0; i < 60; i += 1) {
            await page.keyboard.press("Tab");
            const ringed = await page.evaluate(() => {
                const { activeElement: at } = document;
                const style = getComputedStyle(at);
                return at === document.body || style.outlineStyle !== "none" || at.closest(".say:focus-within") !== null;
            });
            met.push(await focused());
            assert.ok(ringed, `${met.at(-1)} shows no focus`);
        }
        for (const name of [
            "Skip to the text",
            "Texts",
            "Model",
            "Help",
            "Light or dark",
            "Settings",
            "New text",
            "Export and import",
            "What you say",
            "Probabilities",
            "Clear",
            "Temperature",
            "New seed",
            "Copy",
            "Edit",
            "Answer again",
        ]) {
            assert.ok(met.includes(name), `${name} is not met in ${met.join(", ")}`);
        }
        await fine(page);
        between.close();
    });

    await test("it looks as it should, on a phone and a desk, dark and light, and nothing is unnamed or too faint", async () => {
        const between = await Between.to(chat.at);
        const markdown = fs.readFileSync(path.join(here, "example.md"), "utf8");
        for (const theme of ["dark", "light"]) {
            for (const [name, size] of [
                ["desk", DESK],
                ["phone", PHONE],
            ]) {
                await pictures(between, markdown, theme, name, size);
            }
        }
        between.close();
    });

    // Pictures of what there is to see, each looked through for what is unnamed, too faint, or wider than the screen.
    async function pictures(between, markdown, theme, name, size) {
        const look = async (page, what) => {
            await page.screenshot({ path: path.join(folder, `${what}-${name}-${theme}.png`) });
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(wide <= size.width, `${what}, ${name}: ${wide} wide`);
            const session = await page.context().newCDPSession(page);
            await session.send("Runtime.evaluate", { expression: axe });
            const { result } = await session.send("Runtime.evaluate", {
                expression:
                    "axe.run(document, { resultTypes: ['violations'] }).then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.nodes.map((n) => n.target.join(' ') + ' ' + n.failureSummary)])))",
                awaitPromise: true,
            });
            assert.equal(result.value, "[]", `${what}, ${name}, ${theme}: ${result.value}`);
        };
        const options = { size, theme };
        const talk = await open(between.url, options);
        between.fake = () => undefined;
        await look(talk, "empty");
        between.fake = () => ({ pieces: [markdown] });
        await say(talk, "Compare the three values of a ternary weight, with an example in code.");
        await look(talk, "markdown-end");
        await talk.locator("#page").evaluate((element) => (element.scrollTop = 0));
        await talk.waitForTimeout(100);
        await look(talk, "markdown");
        if (size === PHONE) {
            await button(talk, "Texts").click();
            await look(talk, "texts");
            await talk.keyboard.press("Escape");
            await button(talk, "Settings").click();
            await look(talk, "settings");
            await talk.keyboard.press("Escape");
        }
        await button(talk, "Help").click();
        await look(talk, "help");
        await talk.keyboard.press("Escape");
        between.fake = () => busy(9);
        await field(talk).fill("And now?");
        await field(talk).press("Enter");
        await talk.locator(".trouble").waitFor();
        await look(talk, "trouble");
        await fine(talk);

        const book = await open(notebook.at, options);
        if (size === PHONE) await button(book, "Settings").click();
        await set(book, "Most tokens", 200);
        await book.getByRole("checkbox", { name: "Fixed" }).check();
        await set(book, "Seed", 1);
        if (size === PHONE) await book.keyboard.press("Escape");
        await write(book, "ROMEO:");
        await look(book, "notebook");
        await button(book, "Probabilities").click();
        await button(book, "Write the last piece again").click();
        await idle(book);
        const token = book.locator(".tokens .token").filter({ hasText: /\w\w/ }).nth(60);
        await token.scrollIntoViewIfNeeded();
        await book.waitForTimeout(100);
        if (size === PHONE) await token.tap();
        else await token.hover();
        await look(book, "probabilities");
        await fine(book);
    }
}
