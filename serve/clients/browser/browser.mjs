// A browser for tests of the page, and servers of the shipped model. Whatever a page of a test does: an error in it, something that its
// policy forbids, or a request to anybody but its own server, has the test fail.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

export const DESK = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

const [binary, chrome] = process.argv.slice(2);
const servers = new Set();
let browser;
// For who works on the page: only tests whose names have this in them, and files of the page from a folder instead of the server's own.
const { ONLY: only = "", PAGE: files } = process.env;
let [passed, failed] = [0, 0];

// Starts a server, and says where it is.
export async function serve(files, ...options) {
    const server = spawn(binary, ["serve", ...files, "--port", "0", ...options], { stdio: ["ignore", "pipe", "pipe"] });
    servers.add(server);
    const at = await new Promise((resolve, reject) => {
        let out = "";
        server.stderr.on("data", (data) => (out += data));
        server.stdout.on("data", (data) => {
            out += data;
            const found = /^listening at (\S+)$/m.exec(out);
            if (found) resolve(found[1]);
        });
        server.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${out}`)));
    });
    return { at, kill: () => server.kill("SIGKILL") };
}

// A page of its own, with nothing kept, at this address.
export async function open(url, { size = DESK, theme = "dark", ...more } = {}) {
    const phone = size === PHONE ? { hasTouch: true, isMobile: true } : {};
    const context = await browser.newContext({ viewport: size, colorScheme: theme, reducedMotion: "reduce", ...phone, ...more });
    context.setDefaultTimeout(15_000);
    return tab(context, url);
}

// Another page beside those that are there.
export async function tab(context, url) {
    const page = await context.newPage();
    page.wrong = [];
    page.on("pageerror", (error) => page.wrong.push(`error: ${error.stack}`));
    page.on("console", (message) => {
        // What the server refuses is told there too, and is no fault of the page's.
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
            page.wrong.push(`console: ${message.text()}`);
    });
    const { origin } = new URL(url);
    page.on("request", (request) => {
        if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== origin) page.wrong.push(`asks ${request.url()}`);
    });
    await page.addInitScript(() => {
        globalThis.forbidden = [];
        document.addEventListener("securitypolicyviolation", (event) =>
            globalThis.forbidden.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
        );
    });
    if (files) await page.route(/\/$|\/page\//, (route) => fromFolder(route));
    await page.goto(url);
    await page.locator("#write").waitFor();
    return page;
}

async function fromFolder(route) {
    const file = path.join(files, path.basename(new URL(route.request().url()).pathname) || "index.html");
    if (!fs.existsSync(file)) return route.continue();
    return route.fulfill({
        response: await route.fetch({ url: new URL("/", route.request().url()).href }),
        body: fs.readFileSync(file),
        contentType: TYPES[path.extname(file)],
    });
}
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

// Nothing went wrong on it.
export async function fine(page) {
    const forbidden = await page.evaluate(() => globalThis.forbidden);
    assert.deepEqual([...page.wrong, ...forbidden], []);
}

export async function test(name, run) {
    if (!name.includes(only)) return;
    const begun = performance.now();
    try {
        await run();
        passed += 1;
        console.log(`ok      ${name} (${Math.round(performance.now() - begun)} ms)`);
    } catch (error) {
        failed += 1;
        console.log(`FAILED  ${name}\n${error.stack}`);
    }
    for (const context of browser.contexts()) await context.close();
}

// Runs all tests, and ends with what came of them.
export async function main(run) {
    browser = await chromium.launch({ executablePath: chrome, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    try {
        await run();
    } finally {
        await browser.close();
        for (const server of servers) server.kill("SIGKILL");
    }
    console.log(`${passed} tests of the page passed, ${failed} failed`);
    process.exit(failed === 0 && passed > 0 ? 0 : 1);
}
