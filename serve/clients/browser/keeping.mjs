// What is kept: texts, their names, files of them, the model that was chosen.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import { Between } from "./between.mjs";
import { fine, open, tab, test } from "./browser.mjs";
import { button, folder, idle, model, say, set, turns, until } from "./steps.mjs";

export async function keeping({ chat }) {
    await test("texts are kept, called, taken away and brought back, and other tabs see it", async () => {
        const page = await open(chat.at);
        await set(page, "Most tokens", 8);
        await say(page, "The first one");
        const kept = await turns(page);
        await button(page, "New text").click();
        await say(page, "The second one");
        const heads = page.locator(".heads .name span");
        await until("both are listed", async () => (await heads.allInnerTexts()).join() === "The second one,The first one");
        await page.reload();
        await page.getByRole("button", { name: /^The first one/ }).click();
        await until("it is open", async () => (await turns(page)).join() === kept.join());
        const other = await tab(page.context(), chat.at);
        await page.bringToFront();
        await page.locator(".heads li").last().hover();
        await button(page, "Rename The first one").click();
        await page.getByRole("textbox", { name: "New name of The first one" }).fill("A better name");
        await page.keyboard.press("Enter");
        await until("it is renamed", async () => (await heads.allInnerTexts()).includes("A better name"));
        await until("the other tab knows", async () =>
            (await other.locator(".heads .name span").allInnerTexts()).includes("A better name"),
        );
        await page.locator(".heads li", { hasText: "A better name" }).hover();
        await button(page, "Delete A better name").click();
        await until("it is gone", async () => (await heads.allInnerTexts()).join() === "The second one");
        assert.deepEqual(await turns(page), []);
        await button(page, "Undo").click();
        await until("it is back", async () => (await turns(page)).join() === kept.join());
        await button(page, "Clear").click();
        assert.deepEqual(await turns(page), []);
        await button(page, "Undo").click();
        assert.deepEqual(await turns(page), kept);
        await fine(page);
        await fine(other);
    });

    await test("what is exported can be imported elsewhere, with all versions, and read as Markdown", async () => {
        const page = await open(chat.at);
        await set(page, "Most tokens", 8);
        await say(page, "Keep this");
        await button(page, "Answer again").click();
        await idle(page);
        const kept = await turns(page);
        const save = async (item) => {
            await button(page, "Export and import").click();
            const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: item }).click()]);
            const to = path.join(folder, download.suggestedFilename());
            await download.saveAs(to);
            return to;
        };
        const file = await save("Export all texts as JSON");
        const markdown = fs.readFileSync(await save("Export this text as Markdown"), "utf8");
        assert.ok(markdown.startsWith("# Keep this\n\n**You**\n\nKeep this\n\n**Model**\n"), markdown);
        const other = await open(chat.at);
        const load = async (chosen) => {
            await button(other, "Export and import").click();
            const [chooser] = await Promise.all([
                other.waitForEvent("filechooser"),
                other.getByRole("menuitem", { name: "Import\u2026" }).click(),
            ]);
            await chooser.setFiles(chosen);
        };
        await load({ name: "x.json", mimeType: "application/json", buffer: Buffer.from('{"format":"other"}') });
        await other.getByText("The file holds no conversations").waitFor();
        await load(file);
        await until("it is there", async () => (await turns(other)).join() === kept.join());
        assert.match(await other.locator(".turn.model .versions").innerText(), /2\/2/);
        await fine(page);
        await fine(other);
    });

    await test("the model can be chosen where several are served", async () => {
        const between = await Between.to(chat.at);
        const page = await open(between.url);
        await page.getByRole("combobox", { name: "Model" }).selectOption("second");
        await say(page, "Ho");
        assert.equal(between.seen.at(-1).model, "second");
        await page.reload();
        await until("it is chosen still", async () => (await page.getByRole("combobox", { name: "Model" }).inputValue()) === "second");
        await fine(page);
        between.close();
    });
}
