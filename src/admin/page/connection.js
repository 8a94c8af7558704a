// One connection as the events tell it.

/** The stages of a message that the page shows, in their order. */
export const MESSAGE_STAGES = ["protoheader", "JSON header", "content", "response"];

const RESPONSE = 3;

/** The time in which activity counts half for the order by activity, in seconds. */
const HALF_LIFE = 2;

/** Interest changes are counted within this time, in seconds. */
const FLIP_WINDOW = 1;

export class Connection {
    constructor(key, event) {
        this.key = key;
        this.id = event.connection;
        this.peer = event.peer ?? "";
        this.opened = event.time;
        /** The stage of the connection, such as "receiving". */
        this.stage = "receiving";
        /** The state of its session, such as "JSON header", and how much of that has arrived. */
        this.state = "idle";
        this.got = null;
        this.want = null;
        /** The index of the stage of its message, or -1, and when each stage was entered or left last. */
        this.lit = -1;
        this.glow = [-Infinity, -Infinity, -Infinity, -Infinity];
        this.interest = "none";
        this.input = 0;
        this.output = 0;
        /** The kernel's queues, known only from samples. */
        this.recvQ = null;
        this.sendQ = null;
        /** When the timer fires, and what for, if it is known. */
        this.deadline = null;
        this.deadlineFrom = null;
        this.deadlineFor = null;
        this.messages = 0;
        this.bytesIn = 0;
        this.bytesOut = 0;
        this.error = null;
        this.ended = null;
        this.refused = null;
        this.peerEnded = false;
        this.weEnded = false;
        /** Since when it has been ready to run, and in which turn that was noticed. */
        this.readySince = null;
        this.readyTurn = 0;
        /** Since when output waits without progress. */
        this.stalledSince = null;
        /** When the present message began, and the reads and bytes since then. */
        this.messageBegan = null;
        this.pieces = 0;
        this.pieceBytes = 0;
        this.lastReceived = 0;
        this.runBegan = null;
        this.didWork = false;
        /** Whether a timer has fired for the next run. */
        this.timerFired = false;
        this.flips = 0;
        this.flipsBefore = 0;
        this.flipWindow = 0;
        /** The times of the last event and of the last sample. */
        this.seen = event.time;
        this.sampled = null;
        this.activity = 0;
        this.activityAt = event.time;
    }

    clone() {
        const copy = Object.assign(Object.create(Connection.prototype), this);
        copy.glow = this.glow.slice();
        return copy;
    }

    apply(event) {
        this.seen = event.time;
        if (Object.hasOwn(handlers, event.event)) {
            handlers[event.event](this, event);
        }
    }

    /** Activity of late: it halves in two seconds. */
    activityNow(now) {
        return this.activity * 0.5 ** (Math.max(0, now - this.activityAt) / HALF_LIFE);
    }

    /** For how long something has been waiting to go on: output, a message that isn't whole, or a run. */
    stuckFor(now) {
        if (this.ended) {
            return 0;
        }
        const since = [this.stalledSince, this.messageBegan, this.readySince].filter((time) => time !== null);
        return since.length === 0 ? 0 : Math.max(0, now - Math.min(...since));
    }

    /** The number of changes of interest in the last second, or in the one before. */
    flipsNow(now) {
        const age = now - this.flipWindow;
        return age > 2 * FLIP_WINDOW ? 0 : Math.max(this.flips, age > FLIP_WINDOW ? 0 : this.flipsBefore);
    }
}

function light(it, stage, time) {
    if (it.lit >= 0) {
        it.glow[it.lit] = time;
    }
    it.lit = stage;
    if (stage >= 0) {
        it.glow[stage] = time;
    }
}

function act(it, time) {
    it.activity = it.activityNow(time) + 1;
    it.activityAt = time;
    it.didWork = true;
}

function setOutput(it, bytes, time, isProgress) {
    // A length that can't be counted is null.
    const waits = bytes === null || bytes > 0;
    if (!waits) {
        it.stalledSince = null;
    } else if (isProgress || it.stalledSince === null) {
        it.stalledSince = time;
    }
    it.output = bytes;
}

function begin(it, time, bytes) {
    it.messageBegan = time;
    it.pieces = 1;
    it.pieceBytes = bytes;
}

function ready(it, event) {
    if (it.readySince === null) {
        it.readySince = event.time;
        it.readyTurn = event.turn;
    }
}

/** What each event changes. */
const handlers = {
    opening: (it) => {
        it.stage = "connecting";
    },
    refused: (it, event) => {
        it.stage = "draining";
        it.refused = event.why;
    },
    introduced: (it, event) => {
        it.peer = event.peer;
    },
    cannot_connect: (it, event) => {
        it.error = event.why;
    },
    selected: ready,
    woken: ready,
    run_begun: (it, event) => {
        it.runBegan = event.time;
        it.readySince = null;
        it.didWork = it.timerFired;
        it.timerFired = false;
    },
    received: (it, event) => {
        act(it, event.time);
        it.bytesIn += event.len;
        it.pieces += 1;
        it.pieceBytes += event.len;
        it.lastReceived = event.len;
    },
    stepped: (it, event) => {
        act(it, event.time);
        if (event.from === "idle") {
            begin(it, event.time, it.lastReceived);
        }
        if (event.cause === "content read") {
            it.messages += 1;
            it.messageBegan = null;
            light(it, RESPONSE, event.time);
        } else {
            light(it, MESSAGE_STAGES.indexOf(event.to), event.time);
        }
        it.state = event.to;
        it.got = event.got;
        it.want = event.want;
    },
    moved: (it, event) => {
        it.didWork = true;
        it.stage = event.to;
        if (event.to === "responding") {
            light(it, RESPONSE, event.time);
        }
    },
    replied: (it, event) => {
        act(it, event.time);
        light(it, RESPONSE, event.time);
    },
    sent: (it, event) => {
        act(it, event.time);
        it.bytesOut += event.len;
        light(it, RESPONSE, event.time);
        setOutput(it, event.left, event.time, event.len > 0);
    },
    dropped: (it) => {
        it.didWork = true;
    },
    input_ended: (it) => {
        it.didWork = true;
        it.peerEnded = true;
    },
    output_ended: (it) => {
        it.didWork = true;
        it.weEnded = true;
    },
    run_ended: (it, event) => {
        it.state = event.state;
        it.got = event.got ?? null;
        it.want = event.want ?? null;
        it.input = event.input;
        setOutput(it, event.output, event.time, false);
        if (event.how === "yields") {
            ready(it, event);
        }
        if (event.state === "idle" || event.state === "failed") {
            it.messageBegan = null;
        }
        const stage = MESSAGE_STAGES.indexOf(event.state);
        const responds = event.output !== 0 || it.stage === "responding" || event.how === "works";
        light(it, stage >= 0 ? stage : responds && event.how !== "ends" ? RESPONSE : -1, event.time);
        it.runBegan = null;
    },
    interest_changed: (it, event) => {
        it.didWork = true;
        it.interest = event.to;
        if (event.time - it.flipWindow > FLIP_WINDOW) {
            it.flipsBefore = event.time - it.flipWindow > 2 * FLIP_WINDOW ? 0 : it.flips;
            it.flipWindow = event.time;
            it.flips = 0;
        }
        it.flips += 1;
    },
    timer_set: (it, event) => {
        it.deadline = event.time + event.after;
        it.deadlineFrom = event.time;
        it.deadlineFor = null;
    },
    timer_fired: (it) => {
        it.deadline = null;
        it.timerFired = true;
    },
    panicked: (it, event) => {
        it.error = event.message;
    },
    closed: (it, event) => {
        it.stage = "closed";
        it.interest = "none";
        it.ended = { time: event.time, how: event.end };
        light(it, -1, event.time);
        it.deadline = null;
        it.stalledSince = it.messageBegan = it.readySince = null;
    },
    connection_is: (it, event) => {
        it.sampled = event.time;
        const { age, stage, interest, state, got, want, input, output, deadline } = event;
        it.opened = age === undefined ? it.opened : event.time - age;
        it.stage = stage ?? it.stage;
        it.interest = interest ?? it.interest;
        it.state = state ?? it.state;
        it.got = got ?? null;
        it.want = want ?? null;
        it.input = input ?? it.input;
        if (output !== undefined) {
            setOutput(it, output, event.time, (event.bytes_out ?? 0) > it.bytesOut);
        }
        it.recvQ = event.recv_q ?? null;
        it.sendQ = event.send_q ?? null;
        it.deadline = deadline === undefined || deadline === null ? null : event.time + deadline;
        it.deadlineFrom = event.time;
        it.deadlineFor = event.deadline_for ?? null;
        it.messages = event.messages ?? it.messages;
        it.bytesIn = event.bytes_in ?? it.bytesIn;
        it.bytesOut = event.bytes_out ?? it.bytesOut;
        it.error = event.last_error ?? it.error;
        const index = MESSAGE_STAGES.indexOf(it.state);
        if (index >= 0) {
            it.messageBegan ??= event.time;
        } else if (it.state === "idle") {
            it.messageBegan = null;
        }
        const shown = index >= 0 ? index : it.output !== 0 || it.stage === "responding" ? RESPONSE : -1;
        if (shown !== it.lit) {
            light(it, shown, event.time);
        }
    },
};
