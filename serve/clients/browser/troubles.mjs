// What stands between somebody and an answer, and what the page says of it.

import assert from "node:assert/strict";

import { Between } from "./between.mjs";
import { fine, open, serve, tab, test } from "./browser.mjs";
import { answer, busy, button, field, idle, model, say, template, turns } from "./steps.mjs";

export async function troubles({ chat, keyed }) {
    await test("a server that is killed is told of where it happened, and another try works when it is back", async () => {
        const server = await serve([model], ...template);
        const page = await open(server.at);
        await say(page, "Ho");
        server.kill();
        await field(page).fill("Is anybody there?");
        await field(page).press("Enter");
        const trouble = page.getByRole("alert");
        assert.match(await trouble.innerText(), /The server does not answer\n.*still running/s);
        assert.equal((await turns(page)).at(-1), "Is anybody there?");
        await fine(page);

        const back = await Between.to(chat.at);
        const other = await open(back.url);
        back.gone = true;
        await field(other).fill("Ho");
        await field(other).press("Enter");
        await other.getByText("The server does not answer").waitFor();
        back.gone = false;
        await button(other, "Try again").click();
        await idle(other);
        assert.equal(await other.locator(".turn.model").count(), 1);
        assert.equal(await other.locator(".trouble").count(), 0);
        await fine(other);
        back.close();
    });

    await test("an answer that breaks off is kept, and can be gone on with", async () => {
        const between = await Between.to(chat.at);
        between.fake = () => ({ pieces: ["Once ", "upon "], cut: true, slow: 30 });
        const page = await open(between.url);
        await say(page, "Tell");
        assert.match(await page.getByRole("alert").innerText(), /The answer broke off/);
        assert.equal((await turns(page)).at(-1).trim(), "Once upon");
        between.fake = () => ({ pieces: ["a time."] });
        await button(page, "Go on").click();
        await idle(page);
        assert.equal((await turns(page)).at(-1), "Once upon a time.");
        assert.equal(await page.locator(".trouble").count(), 0);
        // An error in the middle, as the server tells it.
        between.fake = () => ({
            status: 500,
            body: { error: { message: "the device was lost", type: "server_error", param: null, code: "server_error" } },
        });
        await say(page, "More").catch(() => {});
        assert.match(await page.getByRole("alert").innerText(), /The server could not answer\n.*The device was lost\./s);
        await fine(page);
        between.close();
    });

    await test("a busy server is asked again when it said, and not before", async () => {
        const between = await Between.to(chat.at);
        let times = 0;
        between.fake = () => ((times += 1) === 1 ? busy(2) : undefined);
        const page = await open(between.url);
        await field(page).fill("Ho");
        await field(page).press("Enter");
        await page.getByText("The server is busy").waitFor();
        assert.ok(await page.getByRole("button", { name: "Try again in" }).isDisabled());
        await button(page, "Try again").click();
        await idle(page);
        assert.equal(times, 2);
        assert.equal(await page.locator(".turn.model").count(), 1);
        await fine(page);
        between.close();
    });

    await test("a setting that the server refuses is named", async () => {
        const between = await Between.to(chat.at);
        const body = {
            error: {
                message: "`top_p` is 7; expected a number from 0 to 1",
                type: "invalid_request_error",
                param: "top_p",
                code: "invalid_value",
            },
        };
        between.fake = () => ({ status: 400, body });
        const page = await open(between.url);
        await field(page).fill("Ho");
        await field(page).press("Enter");
        await page.getByText("The server does not take a setting").waitFor();
        assert.match(await page.getByRole("alert").innerText(), /`top_p` is 7/);
        between.close();
    });

    await test("a key is asked for, kept for the tab, and asked for again where it is wrong", async () => {
        const page = await open(keyed.at);
        const dialog = page.getByRole("dialog", { name: "This server asks for a key" });
        await dialog.getByLabel("Key", { exact: true }).fill("sk-wrong");
        await page.keyboard.press("Enter");
        await page.waitForTimeout(300);
        await dialog.getByLabel("Key", { exact: true }).fill("sk-of-a-test");
        await button(page, "Use this key").click();
        await page.getByText("The model sees 512 tokens").waitFor();
        await say(page, "Ho");
        await page.reload();
        await page.locator(".turn.model").waitFor();
        await say(page, "Ho again");
        assert.equal(await dialog.count(), 0);
        assert.ok(!(await page.evaluate(() => JSON.stringify({ ...localStorage }))).includes("sk-of"));
        const other = await tab(page.context(), keyed.at);
        await other.getByRole("dialog", { name: "This server asks for a key" }).waitFor();
        await other.keyboard.press("Escape");
        await other.getByText("The server asks for a key").waitFor();
        await fine(page);
        await fine(other);
    });
}
