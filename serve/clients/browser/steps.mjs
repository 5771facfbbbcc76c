// The steps of which tests of the page are made.

import assert from "node:assert/strict";
import path from "node:path";

import { sleep } from "./between.mjs";

// The model, and the folder that pictures are left in.
export const [, , model, folder] = process.argv.slice(2);
export const here = import.meta.dirname;
// Of a server of conversations: the shipped model has no template.
export const template = ["--chat-template", path.join(here, "template.jinja")];

export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const field = (page) => page.locator("#write");
export const turns = (page) => page.locator(".turn .body").allInnerTexts();
export const answer = (page) => page.locator(".turn.model .body").last();
export const written = async (page) => await field(page).inputValue();

// Waits until nothing is being written.
export async function idle(page) {
    await page.locator(".primary.stop:visible").waitFor({ state: "detached" });
}

export async function until(what, is) {
    for (let i = 0; i < 400; i += 1) {
        if (await is()) return;
        await sleep(25);
    }
    assert.fail(`never: ${what}`);
}

export async function say(page, text) {
    await field(page).fill(text);
    await field(page).press("Enter");
    await idle(page);
    await page.locator(".turn.model").last().waitFor();
}

export async function write(page, text) {
    if (text !== undefined) await field(page).fill(text);
    await field(page).press("Control+Enter");
    await idle(page);
}

// What says how many milliseconds the page was held up at the longest since it was asked last; below 50 is 0.
export async function watched(page) {
    await page.evaluate(() => {
        globalThis.longest = 0;
        new PerformanceObserver((list) => {
            for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
        }).observe({ type: "longtask" });
    });
    return () =>
        page.evaluate(async () => {
            await new Promise((resolve) => setTimeout(resolve, 50));
            const { longest } = globalThis;
            globalThis.longest = 0;
            return Math.round(longest);
        });
}

export async function set(page, label, value) {
    const number = page.getByRole("spinbutton", { name: label, exact: true });
    await number.fill(String(value));
    await number.press("Tab");
}

// What a server says for which too many wait, to be asked again in so many seconds.
export function busy(seconds) {
    const message = "256 requests are waiting, and no more may; try again soon";
    const error = { message, type: "rate_limit_error", param: null, code: "queue_full" };
    return { status: 429, headers: { "retry-after": String(seconds) }, body: { error } };
}
