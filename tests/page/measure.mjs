// Measures the page on a live stream of events: frames a second, processor time, and memory, which is read every half a
// minute. Memory is compared with that of an empty page: most of it is files of the browser, which all its processes share.
// Usage: node tests/page/measure.mjs [SECONDS] [EVENTS A SECOND] [CONNECTIONS]; PICTURES=FOLDER keeps a screenshot.

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Browser } from "./browser.mjs";
import { message, Script, sent } from "./events.mjs";
import { Live, run } from "./server.mjs";

/** The milliseconds between two looks at the memory. */
const MEMORY_EACH = 30_000;
const seconds = Number(process.argv[2] ?? 10);
const rate = Number(process.argv[3] ?? 5000);
const connections = Number(process.argv[4] ?? 10_000);

/** The memory of the largest process that shows a page: resident, and without mapped files, in MiB. */
async function memory() {
    let largest = [0, 0];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
        const [command, status] = await Promise.all(
            ["cmdline", "status"].map((name) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")),
        );
        if (command.includes("--type=renderer") && command.includes(browser.folder)) {
            const sizes = ["VmRSS", "RssAnon"].map((key) => Number(status.match(`${key}:\\s*(\\d+)`)?.[1] ?? 0) / 1024);
            largest = sizes[0] > largest[0] ? sizes : largest;
        }
    }
    return largest.map(Math.round);
}

function inWords([resident, own]) {
    return `${resident} MiB resident in the process of the page, ${own} MiB without files`;
}

const folder = await mkdtemp(join(tmpdir(), "multiconn-page-"));
const file = join(folder, "story.html");
await run("simulate", "--protocol", "app", "--seed", "3", "--html", file);
const page = (await readFile(file, "utf8")).replace(/<script type="application\/jsonl"[^]*?<\/script>/, "");
const live = await Live.start(page);
const browser = await Browser.launch();
const { targetId } = await browser.call("Target.createTarget", { url: "data:text/html,<p>Empty" });
await new Promise((then) => setTimeout(then, 1000));
const empty = await memory();
await browser.call("Target.closeTarget", { targetId });
const tab = await browser.open(live.address);
await tab.until("document.getElementById('source-text').textContent === 'live'");

const script = new Script();
script.turn();
for (let id = 1; id <= connections; id += 1) {
    const output = id % 40 === 0 ? 65536 : 0;
    const more = { input: 0, output, recv_q: 0, send_q: output * 30, deadline: 60 - (id % 60), deadline_for: "idle" };
    script.of(id, "connection_is", {
        age: id / 10,
        stage: "receiving",
        interest: output ? "w" : "r",
        state: "idle",
        ...more,
    });
}
script.own("loop_is", {
    open: connections,
    timers: connections,
    accepting: "yes",
    accepted: 12_345,
    refused: 3,
    closed: {},
});
await live.send(script.events);
await tab.until(
    `document.getElementById("connections-count").textContent.startsWith("${connections.toLocaleString("en")} open")`,
);
await tab.evaluate(`(() => {
    window.frames10k = [];
    let last = performance.now();
    const frame = (now) => {
        window.frames10k.push(now - last);
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
})()`);

const metric = async (name) =>
    (await tab.call("Performance.getMetrics")).metrics.find((each) => each.name === name).value;
const busyBefore = await metric("TaskDuration");
let count = 0;
let largest = [0, 0];
let measured = 0;
const began = Date.now();
while (Date.now() - began < seconds * 1000) {
    script.events = [];
    while (count + script.events.length < ((Date.now() - began) / 1000) * rate) {
        const id = 1 + ((script.number * 7) % connections);
        const took = script.number % 700 === 0 ? 0.03 : 0.0004;
        script
            .turn(0.0015, 1)
            .selected(id)
            .run(id, { took, how: "waits for input" }, ...message(103, 43), sent(176));
        script.own("turn_ended", { select: 0.0015, dispatch: 0.00002, run: took, accept: 0.00001, timers: 0.000005 });
    }
    count += script.events.length;
    await live.send(script.events);
    if (Date.now() - began > measured * MEMORY_EACH) {
        measured += 1;
        const now = await memory();
        largest = largest.map((most, index) => Math.max(most, now[index]));
    }
    await new Promise((then) => setTimeout(then, 20));
}
const passed = (Date.now() - began) / 1000;
const frames = (await tab.evaluate("window.frames10k")).sort((a, b) => a - b);
const busy = (await metric("TaskDuration")) - busyBefore;
if (process.env.PICTURES) {
    await writeFile(join(process.env.PICTURES, "crowd.png"), await tab.picture());
}
const busyMemory = await memory();
await tab.call("HeapProfiler.collectGarbage");
await new Promise((then) => setTimeout(then, 1000));
console.log(`${count} events in ${passed.toFixed(1)} s, of ${connections} connections`);
console.log(
    `${(frames.length / passed).toFixed(1)} frames a second; 99 % within ${frames[Math.floor(frames.length * 0.99)].toFixed(0)} ms`,
);
const heap = Math.round((await metric("JSHeapUsedSize")) / 1024 ** 2);
console.log(`${((100 * busy) / passed).toFixed(0)} % of a processor in the page`);
console.log(`an empty page: ${inWords(empty)}`);
console.log(`at most: ${inWords(largest)}`);
console.log(`at the end: ${inWords(busyMemory)}`);
console.log(`after a collection: ${inWords(await memory())}; ${heap} MiB of JavaScript objects`);
if (tab.problems.length > 0) {
    console.log(tab.problems);
}
await browser.close();
live.close();
await rm(folder, { recursive: true, force: true });
