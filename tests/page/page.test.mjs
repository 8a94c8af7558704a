// The page in a real browser, on traces of real servers and of the simulator.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { Browser } from "./browser.mjs";
import { message as told, Script, sent } from "./events.mjs";
import { Live, message, run, Served } from "./server.mjs";

let browser;
let folder;
let story;
/** The page without a story, as a server sends it. */
let page;
/** The trace of three conversations: byte by byte, a peer that never reads, a handler that computes. */
let traces;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), "multiconn-page-"));
    const file = join(folder, "story.html");
    story = pathToFileURL(file).href;
    const [, bytes, unread, stalled] = await Promise.all([
        run("simulate", "--protocol", "app", "--seed", "3", "--html", file),
        byteByByte(),
        neverRead(),
        computed(),
        Browser.launch().then((launched) => {
            browser = launched;
        }),
    ]);
    traces = { bytes, unread, computed: stalled };
    const [head, rest] = (await readFile(file, "utf8")).split('<script type="application/jsonl" id="story">');
    page = head + rest.slice(rest.indexOf("</script>") + "</script>".length);
});

after(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
});

const received = (events) => events.filter(({ event }) => event === "received").length;

async function byteByByte() {
    const served = await Served.start(join(folder, "bytes.json"));
    const socket = await served.connect();
    let sentBytes = 0;
    for (const byte of message("ring")) {
        socket.write(Buffer.of(byte));
        sentBytes += 1;
        await served.until((events) => received(events) === sentBytes);
    }
    await served.until((events) => events.some(({ event }) => event === "sent"));
    socket.destroy();
    await served.stop();
    return served.trace;
}

async function neverRead() {
    const served = await Served.start(join(folder, "unread.json"));
    const socket = await served.connect();
    socket.pause();
    const request = message("x".repeat(30_000));
    const isFull = (events) => events.some(({ event, to }) => event === "interest_changed" && to === "w");
    while (!isFull(await served.events())) {
        socket.write(request);
        await new Promise((then) => setTimeout(then, 1));
    }
    // It tries to write again from time to time.
    const fired = (events) => events.filter(({ event }) => event === "timer_fired").at(-1)?.time ?? 0;
    const full = (await served.events()).at(-1).time;
    await served.until((events) => fired(events) > full + 2.5);
    const events = await served.events();
    socket.destroy();
    await served.stop("SIGKILL");
    await writeFile(served.trace, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    return served.trace;
}

async function computed() {
    const served = await Served.start(join(folder, "computed.json"), "--cpu-work", "60ms");
    const sockets = await Promise.all([1, 2, 3].map(() => served.connect()));
    const replies = sockets.map((socket) => new Promise((then) => socket.once("data", then)));
    sockets.forEach((socket) => socket.write(message("morpheus")));
    await Promise.all(replies);
    sockets.forEach((socket) => socket.destroy());
    await served.stop();
    return served.trace;
}

/** Opens the page with a trace, paused at its beginning. */
async function opened(trace, options) {
    const tab = await browser.open(story, options);
    await tab.openFile(trace);
    await tab.press("Home");
    return tab;
}

/** Goes to the state after a number of events. */
async function seek(tab, position) {
    await tab.evaluate(`(() => {
        const slider = document.getElementById("position");
        slider.value = ${position};
        slider.dispatchEvent(new Event("input"));
    })()`);
    await tab.drawn();
}

/** What the row of a connection shows. */
function row(tab, id) {
    return tab.evaluate(`(() => {
        const rows = [...document.querySelectorAll("#connection-rows .row")].filter((row) => !row.hidden);
        const row = rows.find(({ parts }) => parts.id.textContent === ${JSON.stringify(String(id))});
        return row && {
            lit: row.parts.stages.find((stage) => stage.dataset.state === "lit")?.dataset.stage ?? null,
            caption: row.parts.caption.innerText,
            lamps: row.parts.lamps.filter((lamp) => lamp.dataset.on === "true").map((lamp) => lamp.innerText).join(""),
            output: row.parts.output.innerText,
            label: row.getAttribute("aria-label"),
        };
    })()`);
}

async function eventsOf(trace) {
    return (await readFile(trace, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
}

/** Closes a tab on whose console there must be nothing. */
async function closed(tab) {
    assert.deepEqual(tab.problems, []);
    await tab.close();
}

test("a story plays by itself, and says what it is", async () => {
    const tab = await browser.open(story);
    assert.match(await tab.text("#source-text"), /^app, seed 3 · [\d,]+ events · virtual time$/);
    await tab.until("document.querySelector('#connection-rows .row')");
    assert.equal(await tab.evaluate("document.body.dataset.playing"), "true");
    await closed(tab);
});

test("a story is at its end at once if motion is to be reduced", async () => {
    const tab = await browser.open(story, { motion: "reduce" });
    await tab.drawn();
    assert.equal(await tab.evaluate("document.body.dataset.playing"), "false");
    assert.equal(await tab.evaluate("position.value === position.max && position.max > 100"), true);
    await closed(tab);
});

test("a message that comes byte by byte lights each stage in order", async () => {
    const tab = await opened(traces.bytes);
    const events = await eventsOf(traces.bytes);
    const shown = [];
    for (const [index, { event }] of events.entries()) {
        if (["stepped", "replied"].includes(event)) {
            await seek(tab, index + 1);
            const { lit } = await row(tab, 1);
            if (lit !== shown.at(-1)) {
                shown.push(lit);
            }
        }
    }
    assert.deepEqual(shown, ["protoheader", "JSON header", "content", "response"]);
    // Between two bytes, the row says how much has arrived.
    const half = events.findIndex(
        ({ event, state, got }) => event === "run_ended" && state === "JSON header" && got === 48,
    );
    await seek(tab, half + 1);
    assert.match((await row(tab, 1)).caption, /^JSON header 48\/\d+$/);
    await closed(tab);
});

test("a scripted conversation shows its stages in the right order in the story", async () => {
    const tab = await opened(traces.bytes);
    await tab.press("End");
    await tab.press("c");
    await tab.press("ArrowDown");
    await tab.press("Enter");
    await tab.drawn();
    const { states, kinds } = await tab.evaluate(`(async () => {
        const box = document.getElementById("story-rows");
        const states = new Map();
        const kinds = new Set();
        for (let top = 0; top < box.scrollHeight; top += box.clientHeight) {
            box.scrollTop = top;
            await new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
            for (const row of box.querySelectorAll(".row:not([hidden])")) {
                if (["stepped", "replied", "closed"].includes(row.dataset.event)) {
                    states.set(row.index, row.parts.text.innerText);
                }
                row.querySelectorAll("[data-part]").forEach((part) => kinds.add(part.dataset.part));
            }
        }
        return { states: [...states].sort(([a], [b]) => a - b).map(([, text]) => text), kinds: [...kinds] };
    })()`);
    assert.deepEqual(states, [
        "idle → protoheader",
        "protoheader → JSON header",
        "JSON header → content",
        "content → idle",
        states[4],
        "closed",
    ]);
    assert.match(states[4], /^replies with \d+ B$/);
    assert.deepEqual(kinds, ["protoheader", "header", "content", "response"]);
    await closed(tab);
});

test("a peer that never reads shows its queue and w", async () => {
    const tab = await opened(traces.unread);
    await tab.press("End");
    const shown = await row(tab, 1);
    // It may be below the high-water mark, and still be read.
    assert.match(shown.lamps, /^r?w$/);
    assert.match(shown.output, /KiB$/);
    assert.equal(shown.lit, "response");
    const finding = await tab.text('[data-kind="peer that never reads"] .text');
    assert.match(
        finding,
        /^Connection 1's peer has read nothing for [\d.]+ s: [\d.]+ KiB wait in our memory\. Its interest is r?w\.$/,
    );
    await closed(tab);
});

test("a stalled turn is explained in a sentence", async () => {
    const tab = await opened(traces.computed);
    await tab.press("End");
    const finding = await tab.text('[data-kind="stalled turn"] .text');
    assert.match(finding, /^Turn \d+ took .* (connection \d+'s handler ran for|connection \d+'s, took) [\d.]+ m?s/);
    await closed(tab);
});

test("a hostile peer's text is inert", async () => {
    const evil = "<img src=x onerror='window.evil=1'><script>window.evil=1</script>\u202e";
    const script = new Script();
    script.turn().accept(1).of(1, "panicked", { place: "session", message: evil });
    script.run(1, { state: evil }, sent(0, 9)).own("accepting_paused", { why: evil, is_news: true });
    script.events.forEach((event) => {
        event.peer &&= evil;
    });
    script.wait(5).turn().of(1, "closed", { end: evil });
    const trace = join(folder, "<img src=x onerror=evil=1>.json");
    await writeFile(trace, script.events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    const tab = await opened(trace);
    for (let position = 0; position < script.events.length; position += 1) {
        await tab.press("ArrowRight");
    }
    await tab.press("c");
    await tab.press("ArrowDown");
    await tab.press("Enter");
    await tab.drawn();
    assert.ok((await tab.text("#connection-rows")).includes("<img src=x"));
    assert.ok((await tab.text("#story-title")).includes("<img src=x"));
    assert.equal(await tab.evaluate("document.querySelectorAll('img').length + document.scripts.length"), 3);
    assert.equal(await tab.evaluate("window.evil"), undefined);
    await closed(tab);
});

test("no text can become markup, and no script without the nonce runs", async () => {
    const tab = await browser.open(story);
    const refused = async (code) => {
        await assert.rejects(tab.evaluate(code), /This document requires 'Trusted/, code);
    };
    await refused("document.body.innerHTML += '<p>'");
    await refused("document.body.setAttribute('onclick', 'window.evil = 1')");
    await refused("document.body.append(Object.assign(document.createElement('script'), { text: 'window.evil = 1' }))");
    assert.equal(await tab.evaluate("window.evil"), undefined);
    await tab.close();
});

test("everything can be done by keys", async () => {
    const tab = await opened(traces.bytes);
    const position = () => tab.evaluate("Number(document.getElementById('position').value)");
    assert.equal(await position(), 0);
    await tab.press("ArrowRight");
    await tab.press("ArrowRight");
    assert.equal(await position(), 2);
    await tab.press("ArrowLeft");
    assert.equal(await position(), 1);
    await tab.press("ArrowRight", { shift: true });
    await tab.press("ArrowRight", { shift: true });
    const turn = await position();
    await tab.press("ArrowLeft", { shift: true });
    assert.ok((await position()) < turn);
    await tab.press("End");
    const end = await position();
    await tab.press("Home");
    assert.deepEqual([await position(), end > 100], [0, true]);
    await tab.press(" ");
    await tab.until("Number(document.getElementById('position').value) > 0");
    assert.equal(await tab.evaluate("document.body.dataset.playing"), "true");
    await tab.press(" ");
    assert.equal(await tab.evaluate("document.body.dataset.playing"), "false");
    const speed = () => tab.evaluate("document.getElementById('speed').value");
    const slow = await speed();
    await tab.press("+");
    assert.notEqual(await speed(), slow);
    await tab.press("-");
    assert.equal(await speed(), slow);
    for (const [key, order] of [
        ["o", "oldest"],
        ["s", "stuck"],
        ["b", "busiest"],
    ]) {
        await tab.press(key);
        assert.equal(
            await tab.evaluate(`document.querySelector("[data-order=${order}]").getAttribute("aria-pressed")`),
            "true",
        );
    }
    await tab.press("End");
    await tab.press("c");
    await tab.press("ArrowDown");
    await tab.press("Enter");
    assert.equal(await tab.evaluate("document.getElementById('story-panel').hidden"), false);
    await tab.press("Escape");
    assert.equal(await tab.evaluate("document.getElementById('story-panel').hidden"), true);
    await closed(tab);
});

test("the buttons and the rows can be clicked, and a finding leads to its connection", async () => {
    const tab = await opened(traces.unread);
    const isHidden = () => tab.evaluate("document.getElementById('story-panel').hidden");
    await tab.click("#step");
    assert.equal(await tab.evaluate("document.getElementById('position').value"), "1");
    await tab.click("#to-end");
    await tab.click("#findings-list button");
    assert.equal(await isHidden(), false);
    await tab.click("#close-story");
    assert.equal(await isHidden(), true);
    await tab.click("#connection-rows .row");
    assert.equal(await isHidden(), false);
    const present = () => tab.evaluate("document.querySelector('#story-rows [aria-selected=true]').index");
    const last = await present();
    await tab.click("#story-rows .row:not([hidden]):nth-child(6)");
    assert.ok((await present()) < last);
    await closed(tab);
});

test("words explain themselves on hover and on focus, and link to the documentation", async () => {
    const tab = await browser.open(story);
    const words = await tab.evaluate(`(() => {
        const words = [...document.querySelectorAll(".word")];
        return words.map((word) => {
            word.focus();
            const about = document.getElementById("about");
            return [word.dataset.word, !about.hidden && about.querySelector("a")?.href.startsWith("https://docs.rs/")];
        });
    })()`);
    assert.ok(words.length > 20);
    assert.deepEqual(
        words.filter(([, isExplained]) => !isExplained),
        [],
    );
    await tab.press("Escape");
    assert.equal(await tab.evaluate("document.getElementById('about').hidden"), true);
    await closed(tab);
});

test("controls have names", async () => {
    const tab = await opened(traces.bytes);
    await tab.press("End");
    const { nodes } = await tab.call("Accessibility.getFullAXTree");
    const roles = ["button", "combobox", "slider", "listbox", "option", "img", "heading", "region"];
    const controls = nodes.filter(({ ignored, role }) => !ignored && roles.includes(role?.value));
    assert.ok(controls.length > 15);
    assert.deepEqual(
        controls.filter(({ name }) => !name?.value).map(({ role }) => role.value),
        [],
    );
    await closed(tab);
});

test("a live server is followed, its loss is told, and a story shows one connection beside the others", async (context) => {
    const live = await Live.start(page);
    context.after(() => live.close());
    const tab = await browser.open(live.address);
    await tab.until("document.getElementById('source-text').textContent === 'live'");
    const script = new Script();
    script
        .turn(1)
        .accept(1)
        .run(1, {}, ...told(20, 30), sent(50));
    await live.send(script.accept(2).events);
    await tab.until("document.querySelector('#connection-rows .row')");
    assert.match((await row(tab, 1)).label, /^Connection 1, 127\.0\.0\.1:5001: /);
    await tab.press(" ");
    await live.send(new Script().turn().events.slice(1));
    await tab.press("End");
    assert.equal(await tab.evaluate("document.body.dataset.playing"), "true");
    await tab.press("c");
    await tab.press("ArrowDown");
    await tab.press("Enter");
    const later = script.events.length;
    script.wait(5).turn().run(2).run(1);
    await live.send(script.events.slice(later));
    await tab.until("document.getElementById('story-rows').textContent.includes('turn 2')");
    assert.match(await tab.text("#connections-count"), /^2 open/);
    await tab.press("Escape");
    assert.deepEqual(
        live.requests.filter((path) => path.startsWith("/events")),
        ["/events"],
    );
    live.cut();
    await tab.until(
        "/^connection lost, trying again; the last event came .* ago$/.test(document.getElementById('source-text').textContent)",
    );
    assert.equal(await tab.evaluate("document.body.dataset.stale"), "true");
    await tab.close();
});

test("a server that was started again begins anew", async (context) => {
    const live = await Live.start(page);
    context.after(() => live.close());
    const tab = await browser.open(live.address);
    await tab.until("document.getElementById('source-text').textContent === 'live'");
    const first = new Script();
    first.turn(100).accept(1);
    await live.send(first.events);
    await tab.until("document.getElementById('connections-count').textContent === '1 open, 1 accepted'");
    const second = new Script();
    second.events[0].started = "2026-01-02T00:00:00Z";
    second.turn(1).accept(1).accept(2);
    await live.send(second.events);
    await tab.until("document.getElementById('connections-count').textContent === '2 open, 2 accepted'");
    assert.equal(await tab.evaluate("document.querySelector('#ring .turn').textContent"), "turn 1");
    await closed(tab);
});

/** Samples of many connections, and events of them. */
function crowd(connections) {
    const script = new Script();
    script.turn();
    for (let id = 1; id <= connections; id += 1) {
        const output = id % 100 === 0 ? 65536 : 0;
        script.of(id, "connection_is", {
            age: id / 10,
            stage: "receiving",
            interest: "r",
            state: "idle",
            input: 0,
            output,
        });
    }
    return script;
}

test("ten thousand connections have rows only while they are in sight, and a long stream takes bounded memory", async (context) => {
    const live = await Live.start(page);
    context.after(() => live.close());
    const tab = await browser.open(live.address);
    await tab.until("document.getElementById('source-text').textContent === 'live'");
    const script = crowd(10_000);
    await live.send(script.events);
    await tab.until("document.getElementById('connections-count').textContent.startsWith('10,000 open')");
    for (let batch = 0; batch < 100; batch += 1) {
        script.events = [];
        for (let turn = 0; turn < 200; turn += 1) {
            const id = 1 + (((batch * 200 + turn) * 7) % 10_000);
            script
                .turn(0.001)
                .selected(id)
                .run(id, {}, ...told(20, 30), sent(9));
        }
        await live.send(script.events);
    }
    await tab.until(`document.querySelector("#ring .turn").textContent === "turn 20,000"`);
    await tab.evaluate("document.getElementById('connection-rows').scrollTop = 200000");
    await tab.drawn();
    assert.ok((await tab.evaluate("document.querySelectorAll('#connection-rows .row').length")) < 60);
    await tab.call("HeapProfiler.collectGarbage");
    const { metrics } = await tab.call("Performance.getMetrics");
    const heap = metrics.find(({ name }) => name === "JSHeapUsedSize").value;
    console.log(`heap after 200,000 events of 10,000 connections: ${Math.round(heap / 1024 ** 2)} MiB`);
    assert.ok(heap < 200 * 1024 ** 2);
    await closed(tab);
});

test("nothing is cut off at 360 and at 1600 pixels, in light and dark", async () => {
    const pictures = process.env.PICTURES;
    if (pictures) {
        await mkdir(pictures, { recursive: true });
    }
    for (const [width, height] of [
        [360, 800],
        [1600, 1000],
    ]) {
        const tab = await browser.open(story, { width, height });
        for (const [name, trace] of Object.entries(traces)) {
            const take = async (what) => {
                for (const scheme of ["light", "dark"]) {
                    await tab.prefer({ scheme });
                    const wide = await tab.evaluate("document.documentElement.scrollWidth");
                    assert.ok(wide <= width, `${name}, ${what}, ${scheme}: ${wide} px at ${width}`);
                    if (pictures) {
                        await tab.drawn();
                        await writeFile(join(pictures, `${name}-${what}-${width}-${scheme}.png`), await tab.picture());
                    }
                }
            };
            await tab.openFile(trace);
            await tab.press("End");
            await take("overview");
            await tab.press("c");
            await tab.press("ArrowDown");
            await tab.press("Enter");
            await take("story");
        }
        await closed(tab);
    }
});
