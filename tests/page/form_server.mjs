// Both sides of a download: the program with its form, and file servers whose every step a test takes.

import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { start } from "./server.mjs";

/** `call getfile --form`, with a folder for its files. */
export class Form {
    static async start(...args) {
        const form = new Form();
        form.folder = await mkdtemp(join(tmpdir(), "multiconn-form-"));
        await mkdir(join(form.folder, "sub"));
        const options = ["call", "getfile", "--form", "--into", form.folder, ...args];
        form.process = start(options, ["ignore", "pipe", "ignore"]);
        const [line] = await once(form.process.stdout, "data");
        form.address = String(line).trim().replace("Form on ", "");
        return form;
    }

    /** Ends the program, unless it has ended, and returns its exit status. */
    async stop() {
        if (this.process.exitCode === null) {
            const ended = once(this.process, "exit");
            this.process.kill("SIGINT");
            await ended;
        }
        await rm(this.folder, { recursive: true, force: true });
        return this.process.exitCode;
    }
}

/** A file server, which is told what to send. */
export class Source {
    #asked = [];
    #waiting = [];
    #sockets = new Set();

    static async start() {
        const source = new Source();
        source.server = createServer((socket) => {
            source.#sockets.add(socket);
            socket.on("error", () => {});
            socket.once("data", (line) => {
                const request = { line: String(line).trim(), socket };
                const waiting = source.#waiting.shift();
                waiting ? waiting(request) : source.#asked.push(request);
            });
        });
        source.server.listen(0, "127.0.0.1");
        await once(source.server, "listening");
        source.port = source.server.address().port;
        return source;
    }

    /** The next request. */
    next() {
        const request = this.#asked.shift();
        return request ? Promise.resolve(request) : new Promise((then) => this.#waiting.push(then));
    }

    close() {
        this.#sockets.forEach((socket) => socket.destroy());
        this.server.close();
    }
}
