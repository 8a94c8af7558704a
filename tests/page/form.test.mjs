// The page of `call getfile --form`, in a real browser, with the program and file servers of the test.

import assert from "node:assert/strict";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Browser } from "./browser.mjs";
import { Form, Source } from "./form_server.mjs";

let browser;

before(async () => {
    browser = await Browser.launch();
});

after(() => browser?.close());

const LIVE = "document.getElementById('source').dataset.tone === 'live'";

/** The program with its form, and a file server, which both end with the test. */
async function both(context) {
    const [form, source] = await Promise.all([Form.start(), Source.start()]);
    context.after(() => Promise.all([form.stop(), source.close()]));
    return [form, source];
}

async function opened(form, options) {
    const tab = await browser.open(form.address, options);
    await tab.until(LIVE);
    return tab;
}

/** Closes a tab on whose console there must be nothing but what the network says about refused requests. */
async function closed(tab) {
    assert.deepEqual(
        tab.problems.filter((problem) => !/status of 4(09|22|29)/.test(problem)),
        [],
    );
    await tab.close();
}

/** Types into the fields, and sends the form. */
async function ask(tab, fields) {
    for (const [id, value] of Object.entries(fields)) {
        await tab.evaluate(`(() => {
            const field = document.getElementById("${id}");
            field.focus();
            field.value = ${JSON.stringify(String(value))};
            field.dispatchEvent(new Event("input", { bubbles: true }));
        })()`);
    }
    await tab.press("Enter");
}

/** The state of a download by its name, waited for. */
function until(tab, name, state, seconds) {
    return tab.until(
        `[...document.querySelectorAll(".download")].some((entry) =>
            entry.querySelector("h3").textContent === ${JSON.stringify(name)} &&
            entry.dataset.state === ${JSON.stringify(state)})`,
        seconds,
    );
}

/** What the entry of a name shows. */
function entry(tab, name) {
    return tab.evaluate(`(() => {
        const named = (entry) => entry.querySelector("h3").textContent === ${JSON.stringify(name)};
        const entry = [...document.querySelectorAll(".download")].find(named);
        const bar = entry.querySelector("[role=progressbar]");
        const text = (selector) => entry.querySelector(selector).hidden ? "" : entry.querySelector(selector).innerText;
        return {
            told: entry.querySelector(".told").textContent,
            now: bar.getAttribute("aria-valuenow"),
            error: text(".error"),
            where: text(".where"),
            buttons: [...entry.querySelectorAll(".actions button")].filter((each) => !each.hidden).map((each) => each.innerText),
        };
    })()`);
}

/** Presses a button of the entry of a name. */
async function press(tab, name, label) {
    await tab.evaluate(`document.querySelector(${JSON.stringify(`[aria-label="${label} ${name}"]`)}).focus()`);
    await tab.press("Enter");
}

const error = (tab, field) => tab.evaluate(`document.getElementById("${field}-error").textContent`);
const focus = (tab) => tab.evaluate("document.activeElement.id");

test("several downloads show how far they are, and end", async (context) => {
    const [form, source] = await both(context);
    const tab = await opened(form);
    assert.equal(await focus(tab), "file");
    assert.match(await tab.text("#folder-about"), new RegExp(await realpath(form.folder)));
    const server = { server: "127.0.0.1", port: source.port };
    await ask(tab, { ...server, file: "dir/one", folder: "sub" });
    const one = await source.next();
    assert.equal(one.line, "\0" + "0 dir/one");
    await ask(tab, { ...server, file: "two", folder: "" });
    const two = await source.next();
    one.socket.write(`OK 2048\n${"x".repeat(512)}`);
    two.socket.write(`OK 0002\nx`);
    await tab.until("document.querySelectorAll('[aria-valuenow]').length === 2");
    const { told, now, buttons } = await entry(tab, "one");
    assert.match(told, /^512 B of 2 KiB · .*\/s/);
    assert.equal(now, "25");
    assert.deepEqual(buttons, ["Cancel"]);
    assert.equal(await tab.text("#downloads-count"), "2 downloads running");
    two.socket.end("y");
    await until(tab, "two", "done");
    assert.equal(await tab.text("#news"), "two is done");
    one.socket.end("x".repeat(1536));
    await until(tab, "one", "done");
    const done = await entry(tab, "one");
    assert.equal(done.told, "done · 2 KiB");
    assert.ok(done.where.includes(join(await realpath(form.folder), "sub")), done.where);
    assert.equal((await readFile(join(form.folder, "sub/one"))).length, 2048);
    assert.equal(await readFile(join(form.folder, "two"), "utf8"), "xy");
    await press(tab, "one", "Remove");
    await tab.until("document.querySelectorAll('.download').length === 1");
    assert.equal(await focus(tab), "downloads");
    await closed(tab);
    assert.equal(await form.stop(), 0);
});

test("a download is cancelled and resumed, from another page, too", async (context) => {
    const [form, source] = await both(context);
    const first = await opened(form);
    await ask(first, { port: source.port, file: "file" });
    (await source.next()).socket.write(`OK 8\nhalf`);
    await first.until("document.querySelector('[aria-valuenow=\"50\"]')");
    // Closing the page ends nothing.
    await closed(first);
    const tab = await opened(form);
    assert.equal((await entry(tab, "file")).now, "50");
    await press(tab, "file", "Cancel");
    await until(tab, "file", "cancelled");
    assert.deepEqual(await entry(tab, "file"), {
        told: "cancelled · 4 B of 8 B, kept",
        now: "50",
        error: "",
        where: "",
        buttons: ["Resume", "Edit", "Remove"],
    });
    await press(tab, "file", "Resume");
    const again = await source.next();
    assert.equal(again.line, "\0" + "4 file");
    again.socket.end("OK 8\nhalf");
    await until(tab, "file", "done");
    await closed(tab);
});

test("errors stand beside their fields", async (context) => {
    const [form, source] = await both(context);
    const tab = await opened(form);
    await ask(tab, { server: "", port: "x", file: "", folder: ".." });
    await tab.until("document.querySelectorAll('[aria-invalid=true]').length === 4");
    assert.equal(await error(tab, "server"), "the server is missing");
    assert.equal(await error(tab, "port"), "'x' is not a port, a number from 0 to 65535");
    assert.match(await error(tab, "folder"), /is not below/);
    assert.equal(await focus(tab), "server");
    // Typing takes an error away.
    await ask(tab, { server: "127.0.0.1", port: source.port, folder: "", file: "nothing" });
    await tab.until("document.querySelectorAll('[aria-invalid=true]').length === 0");
    (await source.next()).socket.end("ERROR cannot send 'nothing': no such file\n");
    await until(tab, "nothing", "failed");
    assert.match(await error(tab, "file"), /the server says: no such file$/);
    const failed = await entry(tab, "nothing");
    assert.match(failed.error, /^File: getting 'nothing' from .* failed: the server says: no such file$/);
    assert.deepEqual(failed.buttons, ["Try again", "Edit", "Remove"]);
    // The form may show something else by then; Edit brings both back.
    await tab.evaluate(`document.getElementById("file").value = "other"`);
    await press(tab, "nothing", "Edit");
    assert.equal(await tab.evaluate("document.getElementById('file').value"), "nothing");
    assert.match(await error(tab, "file"), /no such file$/);
    assert.equal(await focus(tab), "file");
    await closed(tab);
});

test("where a part is here already, the form asks what to do with it", async (context) => {
    const [form, source] = await both(context);
    const tab = await opened(form);
    for (const [button, line, rest] of [
        ["begun-resume", "\0" + "4 a", "rest"],
        ["begun-over", "\0" + "0 b", "all of it"],
    ]) {
        const file = line.at(-1);
        await writeFile(join(form.folder, `.${file}.part`), "half");
        await ask(tab, { port: source.port, file });
        await tab.until("!document.getElementById('begun').hidden");
        assert.equal(await tab.text("#begun-text"), "4 B of it are here from an earlier transfer.");
        assert.equal(await focus(tab), "begun-resume");
        await tab.click(`#${button}`);
        const request = await source.next();
        assert.equal(request.line, line);
        request.socket.end(`OK ${rest.length + (line.includes("4") ? 4 : 0)}\n${rest}`);
        await until(tab, file, "done");
        assert.ok(await tab.evaluate("document.getElementById('begun').hidden"));
    }
    assert.equal(await readFile(join(form.folder, "a"), "utf8"), "halfrest");
    assert.equal(await readFile(join(form.folder, "b"), "utf8"), "all of it");
    await closed(tab);
});

test("hostile text is inert", async (context) => {
    const [form, source] = await both(context);
    const tab = await opened(form);
    const name = "<img src=x onerror=alert(1)>\u202e";
    await ask(tab, { port: source.port, file: name });
    (await source.next()).socket.end(`ERROR </script><b>${"x".repeat(500)}</b>\n`);
    await tab.until("document.querySelector('.download[data-state=failed]')");
    assert.equal(await tab.evaluate("document.querySelectorAll('#downloads img, #downloads b').length"), 0);
    assert.match(await tab.text(".download .error"), /<\/script><b>xxx/);
    await closed(tab);
});

test("the page says when the program has ended", async (context) => {
    const [form, source] = await both(context);
    const tab = await opened(form);
    await ask(tab, { port: source.port, file: "file" });
    (await source.next()).socket.write("OK 8\nhalf");
    await tab.until("document.querySelector('[aria-valuenow=\"50\"]')");
    assert.equal(await form.stop(), 3);
    await tab.until("document.body.dataset.stale === 'true'");
    assert.match(await tab.text("#source-text"), /unfinished files are kept/);
    await tab.close();
});

test("nothing is cut off from 360 to 1600 pixels, in light and dark", async (context) => {
    const [form, source] = await both(context);
    const pictures = process.env.PICTURES;
    if (pictures) {
        await mkdir(pictures, { recursive: true });
    }
    const tab = await opened(form);
    const ports = { port: source.port };
    await ask(tab, { ...ports, file: "papers/the-c10k-problem.pdf" });
    (await source.next()).socket.end(`OK 20000\n${"x".repeat(20_000)}`);
    await until(tab, "the-c10k-problem.pdf", "done");
    await ask(tab, { ...ports, file: "images/debian-13.iso", folder: "sub" });
    (await source.next()).socket.write(`OK 9000000\n${"x".repeat(4_000_000)}`);
    await ask(tab, { ...ports, file: `${"a-very-long-name-".repeat(12)}.tar`, folder: "" });
    (await source.next()).socket.end(`OK 9000\n${"x".repeat(4000)}`);
    await tab.until("document.querySelector('.download[data-state=failed]')");
    await ask(tab, { ...ports, file: "stream" });
    await source.next();
    await ask(tab, { server: "127.0.0.1", port: 1, file: "notes.md" });
    await until(tab, "notes.md", "failed");
    await tab.until("document.querySelector('[aria-valuenow=\"44\"]')");
    await closed(tab);
    for (const width of [360, 600, 900, 1600]) {
        for (const scheme of ["light", "dark"]) {
            const sized = await opened(form, { width, height: 900, scheme, motion: "reduce" });
            await sized.until("document.querySelectorAll('.download').length === 5");
            await ask(sized, { server: "127.0.0.1", port: 1, file: "notes.md", folder: "nowhere" });
            await sized.until("document.querySelectorAll('[aria-invalid=true]').length === 1");
            await sized.drawn();
            const wide = await sized.evaluate("document.documentElement.scrollWidth");
            assert.ok(wide <= width, `${wide} px at ${width}`);
            if (pictures) {
                await writeFile(join(pictures, `form-${width}-${scheme}.png`), await sized.picture());
            }
            await closed(sized);
        }
    }
});
