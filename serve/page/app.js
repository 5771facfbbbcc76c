// The page: what is on it, and who tells whom. Everything that is drawn is drawn from the session; what is done goes to the session.

import { Bar, Side } from "./bar.js";
import { ConversationView } from "./conversation_view.js";
import { askKey, showHelp } from "./dialogs.js";
import { chip, copyText, el, iconButton } from "./dom.js";
import { History } from "./history.js";
import { Notices } from "./notices.js";
import { NotebookView } from "./notebook_view.js";
import { Panel } from "./panel.js";
import { Server } from "./server.js";
import { Session } from "./session.js";
import { loadSettings, saveSettings } from "./settings.js";
import { Status } from "./status.js";
import { ShortStore, Store } from "./store.js";
import { Card } from "./tokens_view.js";
import { meanBits } from "./tokens.js";
import { Trouble } from "./trouble.js";
import { troubleView } from "./trouble_view.js";

const at = (id) => document.getElementById(id);
const page = at("page");
const narrow = matchMedia("(max-width: 899px)");

const notices = new Notices(at("notices"), at("said"));
const card = new Card();
document.body.append(card.element);

let session;
const store = await Store.open((id) => session?.changedElsewhere(id)).catch(() => new ShortStore());
session = new Session(new Server(), store, loadSettings(localStorage));
if (store instanceof ShortStore)
    notices.tell("This browser keeps nothing for this page: texts are there until you close it. Export what should last.");

const main = document.querySelector(".main");
const sides = [new Side(at("history"), main, "list", "Texts", narrow), new Side(at("settings"), main, "panel", "Settings", narrow)];
sides[0].beside(sides[1]);
sides[1].beside(sides[0]);
const leaveSides = () => sides.map((side) => side.leave()).some(Boolean);

const legend = el("div", { className: "legend", hidden: true });
const views = {
    conversation: new ConversationView(session, card, acts()),
    notebook: new NotebookView(session, card, acts()),
};
const view = () => views[session.conversation.mode];
const bar = new Bar(at("bar"), session, (model) => tried(() => session.choose(model)), sides);
const panel = new Panel(at("settings"), session);
const status = new Status(at("status"), session);
const history = new History(at("history"), session, notices, () => {
    leaveSides();
    view().focus();
});
const down = iconButton("down", "To the end", () => page.scrollTo({ top: page.scrollHeight }), {
    className: "icon down floating",
    hidden: true,
});

// What can be done with the text as a whole.
function acts() {
    const probabilities = chip("Probabilities", () => {
        session.settings.probabilities = !session.settings.probabilities;
        saveSettings(localStorage, session.settings);
        show();
        const known = session.conversation.tree.path().some((node) => node.tokens);
        if (session.settings.probabilities && !known) notices.tell("Probabilities come with what is written from now on.");
    });
    probabilities.classList.add("probabilities");
    const copy = iconButton("copy", "Copy the whole text", async () => {
        copy.dataset.done = await copyText(session.conversation.markdown());
        setTimeout(() => delete copy.dataset.done, 1_500);
    });
    const clear = iconButton("bin", "Clear", () => {
        const back = session.clear();
        notices.undo("Cleared", back);
        view().focus();
    });
    return el("span", { className: "row right" }, probabilities, copy, clear);
}

// Draws everything.
function show() {
    const { mode } = session.conversation;
    const other = views[mode === "notebook" ? "conversation" : "notebook"];
    other.page.remove();
    other.below.remove();
    if (!view().page.isConnected) page.prepend(view().page);
    if (!view().below.isConnected) at("below").replaceChildren(down, legend, view().below);
    view().show();
    for (const button of document.querySelectorAll(".probabilities")) button.setAttribute("aria-pressed", session.settings.probabilities);
    showLegend();
    showTrouble();
    status.show();
    panel.show();
    document.title = session.conversation.isEmpty() ? "Tercet" : `${session.conversation.name()} \u2013 Tercet`;
}

function showLegend() {
    const tokens = session.conversation.tree.path().flatMap((node) => node.tokens ?? []);
    const mean = session.settings.probabilities ? meanBits(tokens) : undefined;
    legend.hidden = mean === undefined;
    if (legend.hidden) return;
    const words = [
        ["expected", 0],
        ["one in 6", 0.26],
        ["one in 30", 0.49],
        ["one in 1000", 1],
    ].map(([word, share]) => {
        const span = el("span", { className: "token" }, word);
        span.style.setProperty("--surprise", share);
        return span;
    });
    legend.replaceChildren(
        ...words,
        el(
            "span",
            { className: "mean", title: "Mean surprise; 0 bits is certain, 1 is a coin toss each time" },
            `${mean.toFixed(2)} bits a token`,
        ),
    );
}

// What went wrong stands behind the text, where what was asked for would stand.
let shownTrouble = null;
function showTrouble() {
    if (session.trouble === shownTrouble) return;
    shownTrouble = session.trouble;
    page.querySelector(".trouble")?.remove();
    if (!shownTrouble) return;
    const { trouble, again } = shownTrouble;
    const key = async () => (await enterKey()) && again();
    const element = troubleView(trouble, { again, key, shorten: () => session.slide() });
    element.classList.add("column");
    page.append(element);
    element.scrollIntoView({ block: "nearest" });
}

// Has somebody enter a key; says whether one was entered.
async function enterKey() {
    const key = await askKey();
    if (key !== undefined) session.server.key = key;
    return key !== undefined;
}

// Does what asks the server, and shows what goes wrong with it.
async function tried(work) {
    session.trouble = null;
    try {
        await work();
    } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        session.trouble = { trouble: error, again: () => tried(work) };
    }
    show();
    if (session.trouble?.trouble.status === 401 && (await enterKey())) await tried(work);
}

// While it is written the text is drawn once a frame at most, and more seldom where drawing takes long, so that the page stays quick.
let due = null;
let pause = 0;
function grow() {
    due ??= setTimeout(
        () =>
            requestAnimationFrame(() => {
                due = null;
                const begun = performance.now();
                view().grow();
                status.show();
                follow();
                pause = Math.min(2_000, 4 * (performance.now() - begun));
                if (pause < 40) pause = 0;
            }),
        pause,
    );
}

// The end stays in sight for who looks at it, and only then.
let atEnd = true;
page.addEventListener(
    "scroll",
    () => {
        atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < 60;
        down.hidden = atEnd;
    },
    { passive: true },
);
function follow() {
    if (atEnd) page.scrollTop = page.scrollHeight;
}

session.addEventListener("changed", () => {
    if (session.writing) notices.say("Writing");
    show();
    follow();
});
session.addEventListener("grown", grow);
session.addEventListener("ended", () => {
    const last = session.last();
    if (last?.role === "assistant" && !session.trouble) notices.say(last.ended === "stopped" ? "Stopped" : last.text);
});
session.addEventListener("listed", () => history.show());
session.addEventListener("model", () => {
    bar.show();
    panel.show();
    status.show();
});
let toldUnkept = false;
session.addEventListener("unkept", () => {
    if (!toldUnkept)
        notices.tell("The browser has no room to keep this. Export what should last, or delete what need not be kept.", null, true);
    toldUnkept = true;
});

addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches?.("input, textarea, select");
    if (event.key === "Escape") {
        if (session.writing) session.stop();
        else if (!leaveSides()) return;
    } else if (event.key === "/" && !typing) {
        view().focus();
    } else if (event.key === "?" && !typing) {
        showHelp();
    } else {
        return;
    }
    event.preventDefault();
});
addEventListener("pagehide", () => session.flush());
document.addEventListener("visibilitychange", () => document.hidden && session.flush());
// A click beside what lies over the page leaves it.
addEventListener("pointerdown", ({ target }) => target.closest?.(".side, .bar, .floating, .notices") || leaveSides());

// The last text is gone on with; where there is none, the model says which kind of text it writes.
history.show();
const [latest] = await session.list();
if (latest) await session.open(latest.id);
await tried(() => session.connect());
if (!narrow.matches && !document.querySelector("dialog[open]")) view().focus();
