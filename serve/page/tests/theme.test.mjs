import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

const read = (path) => fs.readFileSync(new URL(path, import.meta.url), "utf8");

test("page and app wear the same colours", () => {
    const app = read("../../../gui/src/tokens.rs");
    const theme = read("../theme.css");
    const of = (name) =>
        Object.fromEntries(
            [
                ...app
                    .split(`pub const ${name}`)[1]
                    .split("series:")[0]
                    .matchAll(/(\w+): hex\(0x(\w{6})\)/g),
            ].map(([, key, hex]) => [key.replace("_", "-"), `#${hex}`]),
        );
    const [dark, light] = [of("DARK"), of("LIGHT")];
    assert.ok(Object.keys(dark).length >= 14);
    for (const key of Object.keys(dark)) assert.ok(theme.includes(`--${key}: light-dark(${light[key]}, ${dark[key]});`), key);
});

test("nothing but the theme holds a literal colour, and nothing makes elements of strings", () => {
    for (const name of fs.readdirSync(new URL("..", import.meta.url))) {
        if (name.endsWith(".css") && name !== "theme.css") assert.doesNotMatch(read(`../${name}`), /#[0-9a-f]{3,8}\b|rgba?\(/i, name);
        if (name.endsWith(".js"))
            assert.doesNotMatch(read(`../${name}`), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/, name);
    }
});
