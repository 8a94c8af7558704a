// Events for tests, in short: `turn(3, 1.5).run(7, received(5), …)`.

/** Builds a list of events, with a clock that goes on by steps. */
export class Script {
    events = [{ trace: 1, program: "multiconn", version: "0", started: "2026-01-01T00:00:00Z" }];
    time = 0;
    number = 0;

    /** Lets time pass. */
    wait(seconds) {
        this.time += seconds;
        return this;
    }

    own(event, more = {}) {
        this.events.push({ time: this.time, turn: this.number, event, ...more });
        return this;
    }

    of(connection, event, more = {}) {
        return this.own(event, { connection, peer: `127.0.0.1:${5000 + connection}`, ...more });
    }

    turn(waited = 0, events = 1) {
        this.wait(waited);
        this.number += 1;
        return this.own("turn_begun", { waited, events });
    }

    accept(connection) {
        return this.of(connection, "accepted");
    }

    selected(connection) {
        return this.of(connection, "selected", { readable: true, writable: false, read_closed: false, urgent: false });
    }

    /** A run of a connection, which does something and takes some time. */
    run(
        connection,
        { took = 0, how = "waits for input", state = "idle", input = 0, output = 0, ...more } = {},
        ...doings
    ) {
        this.of(connection, "run_begun");
        for (const [event, fields] of doings) {
            this.of(connection, event, fields);
        }
        return this.wait(took).of(connection, "run_ended", { how, state, input, output, ...more });
    }
}

export const received = (len) => ["received", { len }];
export const replied = (len) => ["replied", { len }];
export const sent = (len, left = 0) => ["sent", { len, left }];
export const stepped = (from, cause, to, got, want = null) => ["stepped", { from, cause, to, got, want }];

/** The steps of a message that is read at once. */
export const message = (header, content) => [
    received(2 + header + content),
    stepped("idle", "first byte", "protoheader", 2, 2),
    stepped("protoheader", "protoheader read", "JSON header", header, header),
    stepped("JSON header", "JSON header read", "content", content, content),
    stepped("content", "content read", "idle", 0),
];
