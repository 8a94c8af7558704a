// The connections, a row each: those first that are busiest, oldest or stuck.

import { MESSAGE_STAGES } from "#connection";
import { element, setAttribute, setText, setVariable, word } from "#elements";
import { bytes, count, number, ticking } from "#format";
import { Rows } from "#rows";

export const ORDERS = { busiest: "Busiest", oldest: "Oldest", stuck: "Stuck" };

/** How long a connection is shown after its end, in seconds of the trace. */
const FADE = 4;

/** The order changes at most this often, so that rows can be read, in milliseconds. */
const SORT_EVERY = 1000;

/** A sample that is older than this many seconds is marked as stale. */
const STALE = 5;

/** A full bar, in bytes; its length is logarithmic. */
const FULL = 16 * 1024 * 1024;

const BARS = [
    ["input", "in", "input"],
    ["output", "out", "output"],
    ["recvQ", "rq", "Recv-Q"],
    ["sendQ", "sq", "Send-Q"],
];

const SAMPLED = ["recvQ", "sendQ"];

const KEYS = {
    busiest: (it, now) => -it.activityNow(now),
    oldest: (it) => it.opened,
    stuck: (it, now) => -it.stuckFor(now),
};

/** The keys of the connections in an order. Those that have ended come last. */
export function ordered(connections, order, now) {
    const key = KEYS[order];
    const keyed = connections.map((it) => ({ it, rank: it.ended ? 1 : 0, value: key(it, now) }));
    keyed.sort((a, b) => a.rank - b.rank || a.value - b.value || a.it.id - b.it.id);
    return keyed.map(({ it }) => it.key);
}

export class Connections {
    #order = "busiest";
    #keys = [];
    #sortedAt = -Infinity;
    #sorted = null;
    #rows;
    #box;
    #selected = null;
    #isPointed = false;
    #model = null;
    #now = 0;
    #buttons = new Map();

    /** `open` is called with the key of a connection that was chosen. */
    constructor(open) {
        this.#box = document.getElementById("connection-rows");
        this.#rows = new Rows(this.#box, {
            make: makeRow,
            fill: (row, index) => this.#fill(row, index),
            choose: (index) => {
                this.#selected = this.#keys[index];
            },
            open: (index) => open(this.#keys[index]),
        });
        // Rows don't change places under the pointer.
        this.#box.addEventListener("pointerenter", () => {
            this.#isPointed = true;
        });
        this.#box.addEventListener("pointerleave", () => {
            this.#isPointed = false;
        });
        this.#columns();
        const orders = document.getElementById("orders");
        for (const [order, name] of Object.entries(ORDERS)) {
            const button = element("button", { type: "button", "data-order": order }, name);
            button.addEventListener("click", () => this.order(order));
            this.#buttons.set(order, button);
            orders.append(button);
        }
        this.order(this.#order);
    }

    order(order) {
        this.#order = order;
        this.#sortedAt = -Infinity;
        for (const [name, button] of this.#buttons) {
            setAttribute(button, "aria-pressed", String(name === order));
        }
    }

    focus() {
        this.#box.focus();
    }

    select(key) {
        this.#selected = key;
    }

    show(model, now) {
        this.#now = now;
        const isOther = model !== this.#sorted;
        const isDue = performance.now() - this.#sortedAt > SORT_EVERY;
        if (isOther || (isDue && !this.#isPointed) || this.#isOutOfDate(model)) {
            this.#sort(model, now);
        }
        this.#model = model;
        this.#rows.show(this.#keys.length, this.#keys.indexOf(this.#selected));
    }

    /** Whether there are connections without a row: with few of them, each is shown at once. */
    #isOutOfDate(model) {
        const shown = model.connections.size + model.ended.length;
        return shown < 500 && this.#count !== `${model.accepted} ${model.connections.size}`;
    }

    #count = "";

    #sort(model, now) {
        this.#keys = ordered(model.shown(now, FADE), this.#order, now);
        this.#sortedAt = performance.now();
        this.#sorted = model;
        this.#count = `${model.accepted} ${model.connections.size}`;
        const open = model.sampled("open") ?? model.connections.size;
        setText(
            document.getElementById("connections-count"),
            `${number(open)} open, ${number(model.accepted)} accepted`,
        );
        this.#box.dataset.isEmpty = this.#keys.length === 0;
    }

    #columns() {
        document
            .getElementById("columns")
            .append(
                element("span", {}, word("peer")),
                element("span", {}, word("message", "stage")),
                element("span", {}, word("interest")),
                ...BARS.map(([, , name]) => element("span", { class: "number" }, word(name))),
                element("span", { class: "number" }, word("timer")),
                element("span", { class: "number" }, word("seen")),
            );
    }

    #fill(row, index) {
        const it = this.#model.connection(this.#keys[index]);
        if (it) {
            fillRow(row, it, this.#now);
        }
    }
}

function makeRow() {
    const cells = {};
    const cell = (name, ...children) => {
        cells[name] = element("span", { class: `cell ${name}` }, ...children);
        return cells[name];
    };
    const part = (name, tag = "span", attributes = {}) => {
        cells[name] = element(tag, attributes);
        return cells[name];
    };
    const stages = MESSAGE_STAGES.map((stage) => element("i", { "data-stage": stage, title: stage }));
    const lamps = ["r", "w"].map((name) => element("b", { class: "lamp", title: `interest: ${name}` }, name));
    const row = element(
        "div",
        { class: "row connection" },
        cell("peer", part("id", "b"), part("address")),
        cell("message", element("span", { class: "stages", "aria-hidden": "true" }, ...stages), part("caption")),
        cell("lamps", ...lamps),
        ...BARS.map(([name, short]) =>
            cell(
                `queue ${short}`,
                element("small", { "aria-hidden": "true" }, short),
                part(name),
                element("i", { "aria-hidden": "true" }),
            ),
        ),
        cell("timer", part("left"), part("runs", "i", { "aria-hidden": "true" })),
        cell("seen", part("age")),
    );
    row.parts = { ...cells, stages, lamps, bars: BARS.map(([name]) => cells[name].parentElement) };
    return row;
}

function fillRow(row, it, now) {
    const { parts } = row;
    setText(parts.id, String(it.id));
    setText(parts.address, it.peer);
    parts.stages.forEach((stage, index) => {
        const isLit = it.lit === index;
        const state = isLit ? "lit" : now - it.glow[index] < 1 && it.lit >= 0 ? "was" : "off";
        setAttribute(stage, "data-state", state);
        const isPart = isLit && it.want > 0 && index < 3;
        setVariable(stage, "--part", isPart ? `${Math.round((100 * it.got) / it.want)}%` : "100%");
    });
    const caption = captionOf(it);
    setText(parts.caption, caption);
    parts.lamps.forEach((lamp) => setAttribute(lamp, "data-on", String(it.interest.includes(lamp.textContent))));
    BARS.forEach(([name], index) => {
        const value = it[name];
        const isKnown = value !== null || name === "output";
        setText(parts[name], !isKnown ? "–" : value === 0 ? "0" : bytes(value));
        const share = !isKnown ? 0 : value === null ? 1 : Math.log2(1 + value) / Math.log2(1 + FULL);
        setVariable(parts.bars[index], "--share", `${Math.round(100 * Math.min(1, share))}%`);
        setAttribute(parts.bars[index], "data-some", String(share > 0));
        // The kernel's queues are as old as the last sample, whatever else has happened since.
        const isOld = SAMPLED.includes(name) && it.sampled !== null && now - it.sampled > STALE;
        setAttribute(parts.bars[index], "data-old", String(isOld));
        setAttribute(parts.bars[index], "title", isOld ? `sampled ${ticking(now - it.sampled)} ago` : null);
    });
    const left = it.deadline === null ? null : Math.max(0, it.deadline - now);
    const whole = it.deadline === null ? 1 : Math.max(1e-9, it.deadline - it.deadlineFrom);
    setText(parts.left, left === null ? "–" : ticking(left));
    setAttribute(parts.left, "title", it.deadlineFor);
    setVariable(parts.runs, "--share", `${left === null ? 0 : Math.round((100 * left) / whole)}%`);
    const age = now - it.seen;
    setText(parts.age, it.ended ? "ended" : age < 0.1 ? "now" : `${ticking(age)} ago`);
    setAttribute(row, "data-stale", String(!it.ended && age > STALE));
    setAttribute(row, "data-ended", String(it.ended !== null));
    setAttribute(row, "data-bad", String(it.refused !== null || it.error !== null));
    setAttribute(row, "aria-label", `Connection ${it.id}, ${it.peer}: ${caption}, interest ${it.interest}`);
}

function captionOf(it) {
    if (it.ended) {
        return it.ended.how;
    }
    if (it.refused !== null) {
        return `refused: ${it.refused}`;
    }
    const arrived = it.want > 0 && it.lit >= 0 && it.lit < 3 ? ` ${number(it.got)}/${number(it.want)}` : "";
    const state = it.lit === 3 && it.state === "idle" ? "response" : it.state;
    return it.stage === "receiving"
        ? `${state}${arrived}`
        : `${it.stage}${it.state === "idle" ? "" : `, ${state}${arrived}`}`;
}

/** What is known of a connection, in a sentence or two. */
export function factsOf(it, now) {
    const facts = [
        `${it.stage}`,
        // Protocols without messages count none.
        ...(it.messages > 0 ? [count(it.messages, "message")] : []),
        `${bytes(it.bytesIn)} in`,
        `${bytes(it.bytesOut)} out`,
        it.ended
            ? `ended ${ticking(Math.max(0, now - it.ended.time))} ago: ${it.ended.how}`
            : `open for ${ticking(Math.max(0, now - it.opened))}`,
    ];
    if (it.deadlineFor) {
        facts.push(`timer for ${it.deadlineFor}`);
    }
    if (it.sampled !== null) {
        facts.push(`sampled ${ticking(Math.max(0, now - it.sampled))} ago`);
    }
    if (it.error !== null) {
        facts.push(`last error: ${it.error}`);
    }
    return facts.join(" · ");
}
