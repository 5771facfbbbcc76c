// What a person does with the page: conversations and notebooks, their versions, and how they are to be written.

import assert from "node:assert/strict";

import { Between, sleep } from "./between.mjs";
import { fine, open, test } from "./browser.mjs";
import { answer, button, field, idle, say, set, turns, until, write, written } from "./steps.mjs";

export async function writing({ chat, notebook }) {
    await test("an answer comes piece by piece, with its figures, and is read out in the end", async () => {
        const between = await Between.to(chat.at);
        between.slow = 15;
        const page = await open(between.url);
        await set(page, "Most tokens", 40);
        await field(page).fill("Who goes there?");
        await field(page).press("Enter");
        const lengths = new Set();
        await until("it is written", async () => {
            lengths.add((await answer(page).innerText()).length);
            return lengths.size > 4;
        });
        assert.match(await page.locator("#status").innerText(), /\d+ tokens\s+[\d.,]+ tok\/s\s+first \d/);
        await idle(page);
        const status = await page.locator("#status").innerText();
        assert.match(status, /40 tokens\s+[\d.,]+ tok\/s\s+first [\d.]+ m?s\s+seed \d+\s+context \d+\/512/);
        await until("it is read out", async () => (await page.locator("#said").innerText()).length > 40);
        assert.equal(await field(page).inputValue(), "");
        assert.match(await page.title(), /^Who goes there\?/);
        await fine(page);
        between.close();
    });

    await test("stop, by button and by Escape, keeps what there is, and go on goes on", async () => {
        const between = await Between.to(chat.at);
        between.slow = 40;
        const page = await open(between.url);
        for (const stop of [() => button(page, "Stop").click(), () => page.keyboard.press("Escape")]) {
            const left = between.left;
            await field(page).fill("Speak");
            await field(page).press("Enter");
            await until("something is written", async () => (await answer(page).innerText()).length > 10);
            await stop();
            await idle(page);
            const text = await answer(page).innerText();
            await sleep(300);
            assert.equal(await answer(page).innerText(), text);
            assert.equal(await page.locator(".ended").last().innerText(), "Stopped");
            await until("the server is left", () => between.left === left + 1);
        }
        between.slow = 0;
        const before = await answer(page).innerText();
        await set(page, "Most tokens", 30);
        await button(page, "Go on").last().click();
        await idle(page);
        const after = await answer(page).innerText();
        assert.ok(
            after.length > before.length && after.replaceAll("\n", " ").startsWith(before.trim().slice(0, 10).replaceAll("\n", " ")),
            `${before} -> ${after}`,
        );
        const { messages, continue_final_message: goesOn } = between.seen.at(-1);
        assert.ok(goesOn && messages.at(-1).role === "assistant");
        assert.equal(await page.locator(".turn").count(), 4);
        await fine(page);
        between.close();
    });

    await test("answers and edits are versions, and all of them stay", async () => {
        const page = await open(chat.at);
        await set(page, "Most tokens", 20);
        await say(page, "First");
        const [, one] = await turns(page);
        await button(page, "Answer again").click();
        await idle(page);
        const [, two] = await turns(page);
        assert.notEqual(one, two);
        const versions = page.locator(".turn.model .versions");
        assert.match(await versions.innerText(), /2\/2/);
        await versions.getByRole("button", { name: "The version before" }).click();
        assert.deepEqual(await turns(page), ["First", one]);
        await say(page, "Second");
        await page.locator(".turn.you").first().hover();
        await page.locator(".turn.you").first().getByRole("button", { name: "Edit" }).click();
        await page.getByRole("textbox", { name: "What you said" }).fill("Other");
        await page.keyboard.press("Enter");
        await idle(page);
        assert.deepEqual((await turns(page)).slice(0, 1), ["Other"]);
        assert.equal((await turns(page)).length, 2);
        await page.locator(".turn.you").getByRole("button", { name: "The version before" }).click();
        assert.deepEqual((await turns(page)).slice(0, 3), ["First", one, "Second"]);
        // What the model said can be put in other words too, and is not answered by itself.
        const last = page.locator(".turn.model").last();
        await last.getByRole("button", { name: "Edit" }).click();
        await page.getByRole("textbox", { name: "What the model said" }).fill("Nay **sir**");
        await button(page, "Keep").click();
        assert.equal((await turns(page)).at(-1), "Nay sir");
        assert.equal(await last.locator("strong").innerText(), "sir");
        // Escape leaves an edit.
        await last.getByRole("button", { name: "Edit" }).click();
        await page.keyboard.press("Escape");
        assert.equal((await turns(page)).at(-1), "Nay sir");
        await fine(page);
    });

    await test("settings take effect: seed, preset, length, stop, system, and the number is as good as the slider", async () => {
        const between = await Between.to(chat.at);
        const page = await open(between.url);
        await set(page, "Most tokens", 12);
        await page.getByRole("checkbox", { name: "Fixed" }).check();
        await set(page, "Seed", 77);
        await say(page, "Say");
        const [, one] = await turns(page);
        await button(page, "Answer again").click();
        await idle(page);
        assert.equal((await turns(page))[1], one, "the same seed");
        assert.match(await page.locator("#status").innerText(), /12 tokens.*seed 77/s);
        await set(page, "Seed", 78);
        await button(page, "Answer again").click();
        await idle(page);
        assert.notEqual((await turns(page))[1], one, "another seed");
        const plain = between.seen.at(-1);
        assert.deepEqual([plain.seed, plain.max_tokens, plain.temperature, plain.top_p], [78, 12, undefined, undefined]);
        await button(page, "Creative").click();
        assert.equal(await page.getByRole("spinbutton", { name: "Temperature" }).inputValue(), "1.10");
        await page.getByRole("slider", { name: "Top-p" }).focus();
        await page.keyboard.press("ArrowLeft");
        await set(page, "Presence penalty", 9);
        await page.getByRole("textbox", { name: "System prompt" }).fill("Be brief.");
        await page.getByRole("textbox", { name: /Strings that end a text/ }).fill("e\n\\n");
        await button(page, "Answer again").click();
        await idle(page);
        const creative = between.seen.at(-1);
        assert.deepEqual(
            [creative.temperature, creative.top_p, creative.min_p, creative.presence_penalty, creative.stop],
            [1.1, 0.999, 0.05, 2, ["e", "\n"]],
        );
        assert.deepEqual(creative.messages[0], { role: "system", content: "Be brief." });
        assert.ok(!(await turns(page))[1].includes("e"));
        await button(page, "Greedy").click();
        assert.ok(await page.getByRole("spinbutton", { name: "Top-p" }).isDisabled());
        await page.reload();
        await page.locator(".turn").first().waitFor();
        assert.equal(await button(page, "Greedy").getAttribute("aria-pressed"), "true");
        assert.equal(await page.getByRole("spinbutton", { name: "Seed" }).inputValue(), "78");
        await fine(page);
        between.close();
    });

    await test("a model that only continues text has a notebook, in which one text grows", async () => {
        const between = await Between.to(notebook.at);
        const page = await open(between.url);
        assert.equal(await button(page, "Notebook").getAttribute("aria-pressed"), "true");
        // A conversation can be had too, as a play.
        assert.match(await button(page, "Conversation").getAttribute("title"), /play/);
        await set(page, "Most tokens", 20);
        await write(page, "ROMEO:");
        const one = await written(page);
        assert.ok(one.startsWith("ROMEO:") && one.length > 20, one);
        assert.equal(await page.locator(".ink .user").first().innerText(), "ROMEO:");
        assert.equal(`ROMEO:${await page.locator(".ink .assistant").first().textContent()}`, one);
        // Ink and field are one above the other.
        const [ink, text] = [await page.locator(".ink").boundingBox(), await field(page).boundingBox()];
        assert.deepEqual(ink, text);
        await field(page).press("Control+End");
        await page.keyboard.type("\nJULIET:");
        await write(page);
        const two = await written(page);
        assert.ok(two.startsWith(`${one}\nJULIET:`) && two.length > one.length + 9);
        assert.equal(between.seen.at(-1).prompt, `${one}\nJULIET:`);
        await button(page, "Write the last piece again").click();
        await idle(page);
        const three = await written(page);
        assert.ok(three.startsWith(`${one}\nJULIET:`) && three !== two);
        await button(page, "The version before").click();
        assert.equal(await written(page), two);
        assert.equal(await page.locator(".ink").textContent(), `${two}\n`);
        // Typing in the middle is another version; nothing is lost.
        await field(page).fill("ROMEO: I");
        await write(page);
        assert.ok((await written(page)).startsWith("ROMEO: I"));
        await until("it is kept", async () => (await page.locator(".heads li").count()) === 1);
        const four = await written(page);
        await page.reload();
        await until("it is back", async () => (await written(page)) === four);
        await fine(page);
        between.close();
    });

    await test("a text that is longer than the model sees can go on without its beginning", async () => {
        for (const [server, ask] of [
            [notebook, write],
            [chat, say],
        ]) {
            const between = await Between.to(server.at);
            const page = await open(between.url);
            await set(page, "Most tokens", 20);
            if (server === chat) await say(page, "What ho? ".repeat(90));
            await field(page).fill("What ho? ".repeat(server === chat ? 90 : 300));
            await field(page).press(server === chat ? "Enter" : "Control+Enter");
            await page.getByText("The text is longer than the model sees").waitFor();
            const failed = between.seen.at(-1);
            await button(page, "Leave the beginning out").click();
            await page.locator(".trouble").waitFor({ state: "detached" });
            await idle(page);
            const passed = between.seen.at(-1);
            if (server === chat) assert.deepEqual(passed.messages, failed.messages.slice(-1));
            else assert.equal(passed.prompt.length, 512 - 20);
            assert.match(await page.locator("#status").innerText(), /20 tokens.*the beginning is out of sight/s);
            await ask(page, server === chat ? "Ay" : undefined);
            await fine(page);
            between.close();
        }
    });
}
