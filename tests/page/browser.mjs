// Headless Chromium, driven by its DevTools protocol over a pipe: no port, no WebSocket, no dependency.

import { spawn } from "node:child_process";
import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Either of Debian's browsers; the one without windows needs fewer packages. */
const CHROMIUMS = process.env.CHROMIUM ? [process.env.CHROMIUM] : ["chromium-headless-shell", "chromium"];

/** The path of the first program that is installed. */
async function find(programs) {
    for (const program of programs) {
        for (const folder of program.includes("/") ? [""] : process.env.PATH.split(":")) {
            const path = join(folder, program);
            const isThere = await access(path, constants.X_OK).then(
                () => true,
                () => false,
            );
            if (isThere) {
                return path;
            }
        }
    }
    throw new Error(`no ${programs.join(" or ")} is installed`);
}

class Tab {
    /** Errors and warnings on the console, exceptions, and what the policy has refused. */
    problems = [];
    #close;

    constructor(call, close) {
        this.call = call;
        this.#close = close;
    }

    note({ method, params }) {
        if (method === "Runtime.exceptionThrown") {
            const { exceptionDetails: details } = params;
            this.problems.push(details.exception?.description ?? details.text);
        } else if (method === "Runtime.consoleAPICalled" && ["error", "warning", "assert"].includes(params.type)) {
            this.problems.push(params.args.map((arg) => arg.value ?? arg.description).join(" "));
        } else if (method === "Log.entryAdded" && params.entry.level !== "verbose") {
            this.problems.push(params.entry.text);
        }
    }

    async evaluate(expression) {
        const options = { expression, returnByValue: true, awaitPromise: true };
        const { result, exceptionDetails } = await this.call("Runtime.evaluate", options);
        if (exceptionDetails) {
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        }
        return result.value;
    }

    /** Waits until an expression is true; looks at each frame. */
    async until(expression, seconds = 60) {
        const late = Date.now() + seconds * 1000;
        while (!(await this.evaluate(`new Promise((then) => setTimeout(() => then(Boolean(${expression})), 16))`))) {
            if (Date.now() > late) {
                throw new Error(`not within ${seconds} s: ${expression}`);
            }
        }
    }

    /** Waits until the page has drawn its state. */
    drawn() {
        return this.evaluate("new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => then())))");
    }

    text(selector) {
        return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? null`);
    }

    /** Gives a file to the page, as a person does in the file dialog. */
    async openFile(path) {
        const { root } = await this.call("DOM.getDocument");
        const { nodeId } = await this.call("DOM.querySelector", { nodeId: root.nodeId, selector: "#open" });
        const name = JSON.stringify(path.split("/").at(-1));
        await this.call("DOM.setFileInputFiles", { nodeId, files: [path] });
        await this.until(`document.getElementById("source-text").textContent.startsWith(${name} + " · ")`);
    }

    async press(key, { shift = false } = {}) {
        const text = key.length === 1 ? key : key === "Enter" ? "\r" : undefined;
        const event = { key, text, modifiers: shift ? 8 : 0 };
        await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event });
        await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
        await this.drawn();
    }

    async click(selector) {
        const { x, y } = await this.evaluate(`(() => {
            const box = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
            return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        })()`);
        const at = { x, y, button: "left", clickCount: 1 };
        await this.call("Input.dispatchMouseEvent", { type: "mousePressed", ...at });
        await this.call("Input.dispatchMouseEvent", { type: "mouseReleased", ...at });
        await this.drawn();
    }

    /** Sets the preferences of its reader. */
    prefer({ scheme = "light", motion = "no-preference" }) {
        const features = [
            { name: "prefers-color-scheme", value: scheme },
            { name: "prefers-reduced-motion", value: motion },
        ];
        return this.call("Emulation.setEmulatedMedia", { features });
    }

    /** A picture of the tab, as a PNG. */
    async picture() {
        const { data } = await this.call("Page.captureScreenshot", { format: "png" });
        return Buffer.from(data, "base64");
    }

    close() {
        return this.#close();
    }
}

export class Browser {
    #process;
    /** The browser's own files, whose name is on the command line of each of its processes. */
    folder;
    #calls = new Map();
    #next = 1;
    #rest = "";
    /** By the session of a tab: what listens to its events. */
    #tabs = new Map();
    #gone = null;

    static async launch() {
        const browser = new Browser();
        browser.folder = await mkdtemp(join(tmpdir(), "multiconn-page-"));
        const options = [
            "--headless=new",
            "--remote-debugging-pipe",
            `--user-data-dir=${browser.folder}`,
            "--no-first-run",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-precise-memory-info",
            "--hide-scrollbars",
        ];
        browser.#process = spawn(await find(CHROMIUMS), options, {
            stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
        });
        browser.#process.on("error", (error) => browser.#fail(error));
        browser.#process.on("exit", (code) => browser.#fail(new Error(`Chromium has ended with status ${code}`)));
        const [, , , , output] = browser.#process.stdio;
        output.setEncoding("utf8");
        output.on("data", (text) => browser.#read(text));
        await browser.call("Browser.getVersion");
        return browser;
    }

    #fail(error) {
        this.#gone = error;
        for (const { reject } of this.#calls.values()) {
            reject(error);
        }
        this.#calls.clear();
    }

    #read(text) {
        const messages = (this.#rest + text).split("\0");
        this.#rest = messages.pop();
        for (const message of messages.map((each) => JSON.parse(each))) {
            const call = this.#calls.get(message.id);
            if (!call) {
                this.#tabs.get(message.sessionId)?.(message);
                continue;
            }
            this.#calls.delete(message.id);
            if (message.error) {
                call.reject(new Error(`${call.method}: ${message.error.message}`));
            } else {
                call.resolve(message.result);
            }
        }
    }

    call(method, params = {}, sessionId = undefined) {
        if (this.#gone) {
            return Promise.reject(this.#gone);
        }
        const id = this.#next++;
        this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject, method }));
    }

    /** Opens a tab of a size, in light or dark. */
    async open(address, { width = 1600, height = 1000, scale = 1, scheme = "light", motion = "no-preference" } = {}) {
        const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
        const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
        const tab = new Tab(
            (method, params) => this.call(method, params, sessionId),
            () => this.call("Target.closeTarget", { targetId }),
        );
        this.#tabs.set(sessionId, (message) => tab.note(message));
        await Promise.all(
            ["Page", "Runtime", "Log", "DOM", "Performance"].map((domain) => tab.call(`${domain}.enable`)),
        );
        await tab.call("Emulation.setDeviceMetricsOverride", {
            width,
            height,
            deviceScaleFactor: scale,
            mobile: width < 600,
        });
        await tab.prefer({ scheme, motion });
        await tab.call("Page.navigate", { url: address });
        await tab.until(
            "document.readyState === 'complete' && document.getElementById('orders')?.childElementCount !== 0",
        );
        return tab;
    }

    async close() {
        const ended = new Promise((resolve) => this.#process.once("exit", resolve));
        await this.call("Browser.close").catch(() => {});
        await ended;
        await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
}
