// The page in a real browser, before real servers of the shipped model. Usage: node page.mjs BINARY CHROMIUM MODEL FOLDER, where pictures of
// it are left in FOLDER.

import fs from "node:fs";
import path from "node:path";

import { main, serve } from "./browser.mjs";
import { hostility } from "./hostility.mjs";
import { keeping } from "./keeping.mjs";
import { looks } from "./looks.mjs";
import { folder, model, template } from "./steps.mjs";
import { troubles } from "./troubles.mjs";
import { writing } from "./writing.mjs";

await main(async () => {
    const second = path.join(folder, "second.gguf");
    fs.copyFileSync(model, second);
    const servers = {
        chat: await serve([model, second], ...template),
        notebook: await serve([model]),
        keyed: await serve([model], ...template, "--key", "sk-of-a-test"),
    };
    for (const tests of [writing, troubles, keeping, hostility, looks]) await tests(servers);
});
