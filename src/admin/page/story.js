// The story of one connection: its events as the rows of a sequence diagram of peer, kernel and session.

import { bytes, count, number, seconds } from "#format";
import { keyOf } from "#model";
import { Parts } from "#parts";

/** The lanes of the diagram. */
export const PEER = 0;
export const KERNEL = 1;
export const SESSION = 2;

/** The number of rows that are kept. */
export const ROWS = 20_000;

/**
 * A row is an arrow from one lane to another, a note in a lane, or the heading of a turn. `number` is that of its event
 * in the tape.
 */
export class Story {
    rows = [];
    #parts = new Parts();
    #turn = null;
    /** The times of the last event and of the first one in its turn. */
    #time = null;
    #began = 0;
    #runBegan = 0;
    /** Whether the present message is known from its first byte. Otherwise the meaning of its bytes isn't. */
    #isWhole = false;
    /** Turns and lines that were lost since the last row. */
    #lost = new Map();

    constructor(key) {
        this.key = key;
    }

    /** Takes an event of the tape. Those of other connections are ignored. */
    push(event, tapeNumber) {
        if (event.event === "turns_skipped" || event.event === "lines_dropped") {
            this.#lose(event);
        }
        if (event.connection === undefined || keyOf(event) !== this.key) {
            return;
        }
        this.#isWhole ||= event.event === "accepted" || event.event === "opening";
        const row = this.#row(event);
        if (!row) {
            return;
        }
        if (this.#lost.size > 0) {
            this.rows.push({ type: "turn", number: tapeNumber, time: event.time, text: this.#gap() });
        }
        if (event.turn !== this.#turn) {
            this.rows.push({ type: "turn", number: tapeNumber, time: event.time, text: this.#heading(event) });
            this.#turn = event.turn;
            this.#began = event.time;
        }
        this.#time = event.time;
        const since = event.time - this.#began;
        this.rows.push({ number: tapeNumber, time: event.time, since, name: event.event, ...row });
        if (this.rows.length > ROWS + ROWS / 10) {
            this.rows.splice(0, ROWS / 10);
            this.#parts.forget(this.rows.find(({ offset }) => offset !== undefined)?.offset ?? 0);
        }
    }

    /** Takes note of events that are missing, which may have been of this connection. */
    #lose({ event, turns, lines }) {
        const what = event === "turns_skipped" ? "turn" : "line";
        if (this.rows.length > 0) {
            this.#lost.set(what, (this.#lost.get(what) ?? 0) + (turns ?? lines));
        }
        this.#isWhole = false;
    }

    #gap() {
        const lost = [...this.#lost].map(([what, amount]) => count(amount, what));
        this.#lost.clear();
        return `without details: ${lost.join(", ")}`;
    }

    /** The index of the last row at or before a position of the tape, or -1. */
    indexAt(position) {
        let low = 0;
        let high = this.rows.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.rows[middle].number < position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low - 1;
    }

    /** The parts of a row's bytes, as far as they are known now. */
    partsOf(row) {
        if (row.offset === undefined) {
            return row.length > 0 ? [{ kind: row.from === SESSION ? "response" : "unknown", length: row.length }] : [];
        }
        return this.#parts.split(row.offset, row.length);
    }

    #heading(event) {
        const turn = `turn ${number(event.turn)} · ${seconds(event.time)}`;
        return this.#time === null || event.time <= this.#time
            ? turn
            : `${turn} · ${seconds(event.time - this.#time)} later`;
    }

    #row(event) {
        const arrow = (from, to, text, more) => ({ type: "arrow", from, to, text, ...more });
        const note = (lane, text, more) => ({ type: "note", lane, text, ...more });
        switch (event.event) {
            case "accepted":
                return arrow(PEER, SESSION, "connects; it is accepted");
            case "refused":
                return arrow(PEER, SESSION, `connects; it is refused: ${event.why}`, { tone: "bad" });
            case "introduced":
                return note(SESSION, `${event.by} speaks for ${event.peer}`);
            case "opening":
                return arrow(SESSION, PEER, "opens a connection");
            case "cannot_connect":
                return arrow(PEER, SESSION, `${event.addr}: ${event.why}`, { tone: "bad" });
            case "selected":
                return arrow(KERNEL, SESSION, readiness(event), { tone: "quiet" });
            case "woken":
                return note(SESSION, "woken", { tone: "quiet" });
            case "run_begun":
                this.#runBegan = event.time;
                return note(SESSION, "runs", { tone: "quiet" });
            case "received":
                return arrow(PEER, SESSION, count(event.len, "byte"), {
                    length: event.len,
                    offset: this.#isWhole ? this.#parts.receive(event.len) : undefined,
                });
            case "input_ended":
                return arrow(PEER, SESSION, "ends its side");
            case "stepped":
                if (this.#isWhole) {
                    this.#parts.step(event);
                }
                return note(SESSION, `${event.from} → ${event.to}`, { state: event.to, detail: arrived(event) });
            case "moved":
                return note(SESSION, `${event.from} → ${event.to}`, { stage: event.to, detail: event.cause });
            case "replied":
                return note(SESSION, `replies with ${bytes(event.len)}`, { state: "response" });
            case "sent":
                return arrow(SESSION, event.len > 0 ? PEER : KERNEL, sent(event), {
                    length: event.len,
                    tone: event.len > 0 ? undefined : "bad",
                });
            case "dropped":
                return note(SESSION, `drops ${bytes(event.len)}, since our side has ended`);
            case "output_ended":
                return arrow(SESSION, PEER, "our side ends");
            case "run_ended":
                // All input is used, so the next byte is the first of a message.
                if (!this.#isWhole && event.state === "idle" && event.input === 0) {
                    this.#parts.align();
                    this.#isWhole = true;
                }
                return note(SESSION, event.how, { tone: "quiet", detail: ended(event, this.#runBegan) });
            case "interest_changed":
                return note(KERNEL, "interest", { lamps: { from: event.from, to: event.to } });
            case "timer_set":
                return note(KERNEL, `timer: in ${seconds(event.after)}`, { tone: "quiet" });
            case "timer_fired":
                return arrow(KERNEL, SESSION, event.is_due ? "the deadline has passed" : "timer: not due yet");
            case "panicked":
                return note(SESSION, `panics: ${event.message}`, { tone: "bad" });
            case "closed":
                return note(SESSION, "closed", { tone: "end", detail: event.end });
            default:
                return null;
        }
    }
}

function readiness(event) {
    const flags = ["readable", "writable", "read_closed", "urgent"].filter((name) => event[name]);
    return flags.length === 0 ? "an event" : flags.join(", ").replace("read_closed", "peer has ended");
}

function arrived({ got, want }) {
    return want === null || want === undefined ? "" : `${number(got)} of ${number(want)} bytes`;
}

function sent({ len, left }) {
    const rest = left === 0 ? "" : `, ${bytes(left)} left`;
    return len === 0 ? `no room${rest}` : `${count(len, "byte")}${rest}`;
}

function ended(event, began) {
    const parts = [];
    const took = event.took ?? event.time - began;
    if (took > 0) {
        parts.push(`after ${seconds(took)}`);
    }
    if (event.input > 0) {
        parts.push(`input ${bytes(event.input)}`);
    }
    if (event.output !== 0) {
        parts.push(`output ${bytes(event.output)}`);
    }
    return parts.join(", ");
}
