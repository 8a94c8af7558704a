// Makes the README's pictures of the page: a real server with --admin and its peers, in light and in dark.
// Usage: node tests/page/picture.mjs docs/pictures, after `cargo build`.

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Browser } from "./browser.mjs";
import { message, Served } from "./server.mjs";

const [folder] = process.argv.slice(2);
const served = await Served.start(null, "--write-timeout", "5min");
let isOver = false;

const pause = (milliseconds) => new Promise((then) => setTimeout(then, milliseconds));

/** A client that sends a request again and again. */
async function asks(word, every) {
    const socket = await served.connect();
    while (!isOver) {
        socket.write(message(word));
        await once(socket, "data");
        await pause(every);
    }
    socket.destroy();
}

/** A client whose request comes byte by byte. */
async function drips() {
    const socket = await served.connect();
    for (const byte of message("the answer to life, the universe and everything")) {
        socket.write(Buffer.of(byte));
        await pause(70);
    }
    socket.destroy();
}

/** A client that sends requests, and reads no reply. */
async function neverReads() {
    const socket = await served.connect();
    socket.pause();
    while (!isOver) {
        if (socket.writableLength === 0) {
            socket.write(message("x".repeat(2000)));
        }
        await pause(1);
    }
    socket.destroy();
}

/** A client with one request that takes the server long. */
async function asksMuch() {
    const socket = await served.connect();
    socket.write(message("x".repeat(200_000)));
    await once(socket, "data");
    socket.destroy();
}

const browser = await Browser.launch();
const tab = await browser.open(served.admin, { width: 1600, height: 940, scale: 1.25 });
await tab.until("document.getElementById('source-text').textContent === 'live'");
const peers = [asks("ring", 40), asks("morpheus", 150), neverReads(), asks("needle", 400)];
// What stalls while the queues fill is forgotten after 30 seconds.
await pause(35_000);
peers.push(drips());
await pause(2500);
await asksMuch();
await pause(1000);
// After the two that are stuck comes a client that asks. At the end of the events, all is still.
for (const key of ["s", "c", "ArrowDown", "ArrowDown", "ArrowDown", "Enter"]) {
    await tab.press(key);
}
await pause(1000);
await tab.press(" ");
for (const scheme of ["light", "dark"]) {
    await tab.prefer({ scheme });
    await pause(500);
    const { data } = await tab.call("Page.captureScreenshot", { format: "webp", quality: 85 });
    await writeFile(join(folder, `page-${scheme}.webp`), Buffer.from(data, "base64"));
}
isOver = true;
await Promise.all(peers);
await browser.close();
await served.stop();
