// The state of a server after a list of events. It depends on nothing else, so every view agrees with the trace.

import { Connection } from "#connection";
import { History } from "#history";
import { Rate } from "#rate";
import { stationOf } from "#stations";
import { Turns } from "#turns";

/** How long samples of all connections may take after a new beginning, in seconds. */
const RENEWAL = 3;

/** The number of connections that stay known after their end. */
const ENDED = 200;

export class Model {
    /** The first line of the trace. */
    header = null;
    /** Whether the times are virtual, as in the simulator. */
    isVirtual = false;
    /** When the stream began again, if it did and not all connections have been sampled since. */
    renewed = null;
    /** The time of the latest event. */
    now = 0;
    turn = 0;
    station = "select";
    /** The thread whose turns are shown, if there are several. */
    thread = undefined;
    hasThreads = false;
    /** Open connections, and those that ended last, by their keys. */
    connections = new Map();
    ended = new History(ENDED);
    turns = new Turns();
    accepted = 0;
    refused = 0;
    closed = new Map();
    messages = 0;
    bytesIn = 0;
    bytesOut = 0;
    /** Why accepting is paused, and since when. */
    paused = null;
    stopping = null;
    dropped = { lines: 0, time: null };
    /** Turns of which the server has told only what concerns whole connections. */
    skipped = { turns: 0, time: null };
    /** The last `loop_is` of each thread. */
    samples = new Map();
    rates = {
        turns: new Rate(),
        skipped: new Rate(),
        events: new Rate(),
        messages: new Rate(),
        wakeups: new Rate(),
        idle: new Rate(),
    };

    clone() {
        const copy = Object.assign(new Model(), this);
        copy.connections = new Map([...this.connections].map(([key, each]) => [key, each.clone()]));
        copy.ended = this.ended.clone();
        copy.turns = this.turns.clone();
        copy.closed = new Map(this.closed);
        copy.samples = new Map(this.samples);
        copy.dropped = { ...this.dropped };
        copy.skipped = { ...this.skipped };
        copy.rates = Object.fromEntries(Object.entries(this.rates).map(([name, rate]) => [name, rate.clone()]));
        return copy;
    }

    /** The connection of a key, open or ended. */
    connection(key) {
        return this.connections.get(key) ?? [...this.ended].find((each) => each.key === key);
    }

    /** The open connections, and after them those that have ended in the last seconds. */
    shown(now, seconds) {
        const ended = [...this.ended].filter((each) => now - each.ended.time < seconds);
        return [...this.connections.values(), ...ended];
    }

    apply(event) {
        if (event.trace !== undefined) {
            // After a lost connection, the server begins again with samples of all that is open.
            this.renewed = this.header && this.now;
            this.header = event;
            this.isVirtual = String(event.started).startsWith("1970-01-01");
            this.turns.areTimed = !this.isVirtual;
            return;
        }
        if (event.event === "lines_dropped") {
            this.dropped = { lines: this.dropped.lines + event.lines, time: event.time ?? this.now };
            return;
        }
        if (event.event === "turns_skipped") {
            this.skipped = { turns: this.skipped.turns + event.turns, time: this.now };
            this.rates.skipped.add(this.now, event.turns);
            return;
        }
        if (typeof event.event !== "string" || typeof event.time !== "number") {
            return;
        }
        this.now = Math.max(this.now, event.time);
        if (this.renewed !== null && this.now > this.renewed + RENEWAL) {
            this.#forget(this.renewed);
            this.renewed = null;
        }
        if (event.connection !== undefined) {
            this.#ofConnection(event);
        }
        this.#ofLoop(event);
        // A server with several threads has a loop in each; the first one's is shown.
        if (this.turn === 0) {
            this.thread = event.thread;
        }
        this.hasThreads ||= event.thread !== this.thread;
        if (event.thread === this.thread) {
            this.turn = Math.max(this.turn, event.turn ?? 0);
            this.station = stationOf(event);
            const ended = this.turns.apply(event);
            // A turn in which nothing happened, not even for a timer, was a wake-up for nothing.
            if (ended && didNothing(ended)) {
                this.rates.idle.add(event.time);
            }
        }
    }

    /** Forgets connections without an event since a time: they ended while nobody was told. */
    #forget(time) {
        for (const [key, connection] of this.connections) {
            if (connection.seen <= time) {
                this.connections.delete(key);
            }
        }
    }

    #ofConnection(event) {
        const key = keyOf(event);
        let connection = this.connections.get(key);
        if (!connection) {
            connection = new Connection(key, event);
            this.connections.set(key, connection);
        }
        const { messages } = connection;
        connection.apply(event);
        if (event.event !== "connection_is" && connection.messages > messages) {
            this.messages += 1;
            this.rates.messages.add(event.time);
        }
        if (event.event === "run_ended") {
            this.rates.wakeups.add(event.time);
            if (!connection.didWork) {
                this.rates.idle.add(event.time);
            }
        }
        if (event.event === "closed") {
            this.connections.delete(key);
            this.ended.push(connection);
            this.closed.set(event.end, (this.closed.get(event.end) ?? 0) + 1);
        }
    }

    #ofLoop(event) {
        switch (event.event) {
            case "turn_begun":
                this.rates.turns.add(event.time);
                this.rates.events.add(event.time, event.events);
                break;
            case "accepted":
                this.accepted += 1;
                break;
            case "refused":
                this.refused += 1;
                break;
            case "received":
                this.bytesIn += event.len;
                break;
            case "sent":
                this.bytesOut += event.len;
                break;
            case "accepting_paused":
                this.paused = { why: event.why, since: this.paused?.since ?? event.time };
                break;
            case "accepting_resumed":
                this.paused = null;
                break;
            case "stop_delayed":
            case "stopping":
                this.stopping = event;
                break;
            case "loop_is":
                this.#sample(event);
                break;
        }
    }

    /** The number of a key in the samples of all threads together, or undefined if no sample has it. */
    sampled(key) {
        let sum = undefined;
        for (const sample of this.samples.values()) {
            if (typeof sample[key] === "number") {
                sum = (sum ?? 0) + sample[key];
            }
        }
        return sum;
    }

    /** The time of the oldest sample, if there are any. */
    get sampledAt() {
        return this.samples.size === 0 ? null : Math.min(...[...this.samples.values()].map(({ time }) => time));
    }

    #sample(event) {
        this.samples.set(event.thread, event);
        this.accepted = this.sampled("accepted") ?? this.accepted;
        this.refused = this.sampled("refused") ?? this.refused;
        this.messages = this.sampled("messages") ?? this.messages;
        this.bytesIn = this.sampled("bytes_in") ?? this.bytesIn;
        this.bytesOut = this.sampled("bytes_out") ?? this.bytesOut;
        const samples = [...this.samples.values()];
        this.closed = new Map();
        for (const [end, times] of samples.flatMap(({ closed }) => Object.entries(closed ?? {}))) {
            this.closed.set(end, (this.closed.get(end) ?? 0) + times);
        }
        const paused = samples.find(({ accepting }) => typeof accepting === "string" && accepting !== "yes");
        this.paused = paused ? { why: paused.accepting, since: this.paused?.since ?? event.time } : null;
    }
}

function didNothing({ runs, accepts, fired, woken, apart, steps, events }) {
    return runs + accepts + fired + woken + apart === 0 && steps <= events;
}

/** A connection's key: its number, which is unique in its thread. */
export function keyOf(event) {
    return event.thread === undefined ? String(event.connection) : `${event.thread}/${event.connection}`;
}
