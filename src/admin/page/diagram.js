// One connection's story, drawn: peer, kernel and session, and what goes between them.

import { factsOf } from "#connections";
import { element, setAttribute, setText, setVariable, word } from "#elements";
import { seconds } from "#format";
import { Rows } from "#rows";
import { KERNEL, PEER, SESSION, Story } from "#story";

/** The rows that stay in sight before and after the present one. */
const AROUND = 3;

export class Diagram {
    #panel = document.getElementById("story-panel");
    #title = document.getElementById("story-title");
    #facts = document.getElementById("story-facts");
    #rows;
    #story = null;
    #told = 0;
    #tape = null;
    #position = 0;
    #followed = -1;
    #peer = null;

    /** `seek` is called with the number of an event that was chosen. */
    constructor(seek) {
        document
            .getElementById("lanes")
            .append(
                element("span", { class: "time" }, "time"),
                element("span", { class: "heads" }, ...["peer", "kernel", "session"].map((name) => word(name))),
            );
        const choose = (index) => {
            const row = this.#story?.rows[index];
            if (row) {
                seek(row.number + 1);
            }
        };
        this.#rows = new Rows(document.getElementById("story-rows"), {
            make: makeRow,
            fill: (row, index) => this.#fill(row, index),
            choose,
            open: () => {},
            resized: () => {
                this.#followed = -1;
            },
        });
    }

    get key() {
        return this.#story?.key ?? null;
    }

    /** Tells the story of a connection, from the events of a tape. */
    open(key, tape) {
        this.#story = new Story(key);
        this.#tape = tape;
        this.#told = tape.first;
        this.#followed = -1;
        this.#peer = null;
        this.#panel.hidden = false;
        document.body.classList.add("has-story");
        this.#rows.measure();
    }

    close() {
        this.#story = null;
        this.#panel.hidden = true;
        document.body.classList.remove("has-story");
    }

    focus() {
        document.getElementById("story-rows").focus();
    }

    show(model, now, position) {
        const story = this.#story;
        if (!story) {
            return;
        }
        for (let number = Math.max(this.#told, this.#tape.first); number < this.#tape.end; number += 1) {
            const event = this.#tape.at(number);
            story.push(event, number);
            if (
                this.#peer === null &&
                event.connection !== undefined &&
                event.peer &&
                model.connection(story.key)?.id === event.connection
            ) {
                this.#peer = event.peer;
            }
        }
        this.#told = this.#tape.end;
        const it = model.connection(story.key);
        const id = story.key.split("/").at(-1);
        setText(this.#title, `Connection ${id}${it || this.#peer ? `, ${it?.peer ?? this.#peer}` : ""}`);
        setText(this.#facts, it ? factsOf(it, now) : "not opened yet");
        this.#position = position;
        const current = story.indexAt(position);
        this.#rows.show(story.rows.length, current);
        if (current !== this.#followed) {
            this.#followed = current;
            this.#rows.reveal(Math.max(0, current), AROUND);
        }
    }

    #fill(row, index) {
        const step = this.#story.rows[index];
        fillRow(row, step, this.#story);
        setAttribute(row, "data-future", String(step.number >= this.#position));
    }
}

function makeRow() {
    const time = element("span", { class: "time figure" });
    const shaft = element("i", { class: "shaft" });
    const bytes = element("span", { class: "bytes" });
    const text = element("span", { class: "text" });
    const detail = element("span", { class: "detail" });
    const lamps = element("span", { class: "change" });
    const mark = element("span", { class: "mark" }, bytes, text, lamps, detail);
    const row = element("div", { class: "row event" }, time, element("span", { class: "lane" }, shaft, mark));
    row.parts = { time, bytes, text, detail, lamps };
    return row;
}

const LANES = { [PEER]: "peer", [KERNEL]: "kernel", [SESSION]: "session" };

function fillRow(row, step, story) {
    const { time, bytes, text, detail, lamps } = row.parts;
    setText(time, step.since > 0 ? `+${seconds(step.since)}` : "");
    setText(text, step.text);
    setText(detail, step.detail ?? "");
    setText(lamps, step.lamps ? `${step.lamps.from} → ${step.lamps.to}` : "");
    setAttribute(row, "data-type", step.type);
    setAttribute(row, "data-event", step.name);
    setAttribute(row, "data-from", step.type === "arrow" ? LANES[step.from] : null);
    setAttribute(row, "data-to", step.type === "arrow" ? LANES[step.to] : null);
    setAttribute(row, "data-lane", step.type === "note" ? LANES[step.lane] : null);
    setAttribute(row, "data-tone", step.tone);
    setAttribute(row, "data-state", step.state);
    setAttribute(row, "data-stage", step.stage);
    const parts = step.length > 0 ? story.partsOf(step) : [];
    const names = parts.map(({ kind, length }) => `${kind} ${length}`).join(", ");
    if (row.shownParts !== names) {
        row.shownParts = names;
        setVariable(bytes, "--size", `${Math.round(8 + 8 * Math.log2(1 + (step.length ?? 0)))}px`);
        bytes.replaceChildren(
            ...parts.map(({ kind, length }) => {
                const part = element("i", { "data-part": kind, title: `${kind}: ${length} bytes` });
                // Small parts stay visible next to large ones.
                part.style.flexGrow = String(1 + Math.log2(length));
                return part;
            }),
        );
    }
    setAttribute(
        row,
        "aria-label",
        step.type === "turn"
            ? step.text
            : `${seconds(step.time)}, ${step.name}: ${step.text} ${step.detail ?? ""} ${names}`,
    );
}
