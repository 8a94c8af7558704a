// Servers for the tests: the program, with a trace of what it does, and one that sends events as `--admin` does.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";

const PROGRAM = process.env.MULTICONN ?? new URL("../../target/debug/multiconn", import.meta.url).pathname;

/** How long a server may take for anything, in milliseconds. */
const PATIENCE = 60_000;

/** The processes that still run, which must not outlive the test. */
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

export function start(args, stdio) {
    const child = spawn(PROGRAM, args, { stdio });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
}

/** Runs the program to its end. */
export async function run(...args) {
    const child = start(args, ["ignore", "ignore", "inherit"]);
    const [status] = await once(child, "exit");
    if (status !== 0) {
        throw new Error(`multiconn ${args.join(" ")} has ended with status ${status}`);
    }
}

/** A server of the program, whose trace goes to a file, or that can be watched. */
export class Served {
    #file;
    #events = [];
    /** A line that is being written. */
    #rest = "";

    /** Starts one; without a `trace`, at `admin` its page can be opened. */
    static async start(trace, ...args) {
        const served = new Served();
        served.trace = trace;
        const shown = trace === null ? ["--admin", "127.0.0.1:0"] : ["--trace", trace];
        served.process = start(["serve", "app", "127.0.0.1:0", "-q", ...shown, ...args], ["ignore", "pipe", "inherit"]);
        const [lines] = await once(served.process.stdout, "data");
        served.port = Number(/^Listening on .*:(\d+)$/m.exec(lines)[1]);
        served.admin = /^Admin on (.*)$/m.exec(lines)?.[1];
        served.#file = trace && (await open(trace));
        return served;
    }

    async connect() {
        const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
        await once(socket, "connect");
        return socket;
    }

    /** The events so far. */
    async events() {
        const lines = (this.#rest + (await this.#file.readFile("utf8"))).split("\n");
        this.#rest = lines.pop();
        this.#events.push(...lines.map((line) => JSON.parse(line)));
        return this.#events;
    }

    /** Waits until the events meet a condition. */
    async until(condition) {
        const late = Date.now() + PATIENCE;
        while (!condition(await this.events())) {
            if (Date.now() > late) {
                throw new Error(`the trace ${this.trace} lacks the events that the test waits for`);
            }
            await new Promise((then) => setTimeout(then, 5));
        }
    }

    async stop(signal = "SIGTERM") {
        const ended = once(this.process, "exit");
        this.process.kill(signal);
        await ended;
        await this.#file?.close();
    }
}

/** A message of the protocol `app`, which keeps the connection. */
export function message(value) {
    const content = Buffer.from(JSON.stringify({ action: "search", value }));
    const header = Buffer.from(
        JSON.stringify({
            byteorder: "little",
            "content-type": "text/json",
            "content-encoding": "utf-8",
            "content-length": content.length,
            connection: "keep-alive",
        }),
    );
    const length = Buffer.alloc(2);
    length.writeUInt16BE(header.length);
    return Buffer.concat([length, header, content]);
}

/** A server of the page, which sends events when it is told to. */
export class Live {
    #readers = new Set();
    requests = [];

    static async start(page) {
        const live = new Live();
        live.server = createServer((request, response) => {
            live.requests.push(request.url);
            if (request.url === "/") {
                response.setHeader("content-type", "text/html; charset=utf-8").end(page);
            } else if (request.url.startsWith("/events")) {
                response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
                live.#readers.add(response);
                response.on("close", () => live.#readers.delete(response));
            } else {
                response.writeHead(404).end();
            }
        });
        live.server.listen(0, "127.0.0.1");
        await once(live.server, "listening");
        live.address = `http://127.0.0.1:${live.server.address().port}/`;
        return live;
    }

    /** Sends events in one message. */
    async send(events) {
        const text = `${events.map((event) => `data: ${JSON.stringify(event)}\n`).join("")}\n`;
        await Promise.all([...this.#readers].map((reader) => reader.write(text) || once(reader, "drain")));
    }

    /** Cuts off all readers. */
    cut() {
        for (const reader of this.#readers) {
            reader.destroy();
        }
    }

    close() {
        this.cut();
        this.server.closeAllConnections();
        this.server.close();
    }
}
