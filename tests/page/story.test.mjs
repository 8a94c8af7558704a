// The rows of a connection's story, and the meaning of its bytes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Parts } from "../../src/admin/page/parts.js";
import { ROWS, Story } from "../../src/admin/page/story.js";
import { message, received, replied, Script, sent } from "./events.mjs";

function told(script, key = "7") {
    const story = new Story(key);
    script.events.forEach((event, number) => story.push(event, number));
    return story;
}

test("a message is told from its bytes to its reply", () => {
    const script = new Script();
    script
        .turn(1)
        .accept(7)
        .run(7, {}, ...message(103, 43), replied(176), sent(176));
    script.of(7, "interest_changed", { from: "none", to: "r" });
    const shown = told(script).rows.map(({ type, from, to, lane, text, detail }) =>
        type === "arrow" ? `${from}→${to} ${text}` : `${lane ?? "-"} ${text} ${detail ?? ""}`.trimEnd(),
    );
    assert.deepEqual(shown, [
        "- turn 1 · 1 s",
        "0→2 connects; it is accepted",
        "2 runs",
        "0→2 148 bytes",
        "2 idle → protoheader 2 of 2 bytes",
        "2 protoheader → JSON header 103 of 103 bytes",
        "2 JSON header → content 43 of 43 bytes",
        "2 content → idle",
        "2 replies with 176 B",
        "2→0 176 bytes",
        "2 waits for input",
        "1 interest",
    ]);
});

test("bytes have the colours of their parts, in the order in which they come", () => {
    const script = new Script();
    const two = message(103, 43);
    script
        .turn()
        .accept(7)
        .run(7, {}, received(300), ...two.slice(1), ...message(10, 0).slice(1));
    const story = told(script);
    const row = story.rows.find(({ name }) => name === "received");
    assert.deepEqual(story.partsOf(row), [
        { kind: "protoheader", length: 2 },
        { kind: "header", length: 103 },
        { kind: "content", length: 43 },
        { kind: "protoheader", length: 2 },
        { kind: "header", length: 10 },
        { kind: "unknown", length: 140 },
    ]);
});

test("single bytes belong to the part that they are in", () => {
    const parts = new Parts();
    const places = [];
    const [, first, header, content] = message(3, 2);
    for (let byte = 0; byte < 7; byte += 1) {
        places.push(parts.receive(1));
        for (const [at, step] of [
            [0, first],
            [1, header],
            [4, content],
        ]) {
            if (at === byte) {
                parts.step(step[1]);
            }
        }
    }
    const kinds = places.map((place) => parts.split(place, 1)[0].kind);
    assert.deepEqual(kinds, ["protoheader", "protoheader", "header", "header", "header", "content", "content"]);
});

test("the meaning of bytes is unknown if the beginning is", () => {
    const script = new Script();
    script.turn().run(7, {}, received(300));
    const story = told(script);
    const row = story.rows.find(({ name }) => name === "received");
    assert.deepEqual(story.partsOf(row), [{ kind: "unknown", length: 300 }]);
});

test("a gap is shown, and the meaning of bytes is known again from the next message on", () => {
    const script = new Script();
    script
        .turn()
        .accept(7)
        .run(7, {}, ...message(103, 43));
    script.events.push({ event: "turns_skipped", turns: 12 }, { event: "lines_dropped", lines: 1 });
    script
        .turn()
        .run(7, {}, received(300))
        .turn()
        .run(7, {}, ...message(10, 5));
    const story = told(script);
    const gap = story.rows.find(({ text }) => text.startsWith("without"));
    assert.deepEqual([gap.type, gap.text], ["turn", "without details: 12 turns, 1 line"]);
    const parts = story.rows.filter(({ name }) => name === "received").map((row) => story.partsOf(row));
    assert.deepEqual(parts[1], [{ kind: "unknown", length: 300 }]);
    assert.deepEqual(parts[2], [
        { kind: "protoheader", length: 2 },
        { kind: "header", length: 10 },
        { kind: "content", length: 5 },
    ]);
});

test("events of other connections and of the loop are not in the story", () => {
    const script = new Script();
    script.turn().accept(7).accept(8).run(8).own("reloaded");
    assert.equal(told(script).rows.length, 2);
});

test("a position of the tape has a row", () => {
    const script = new Script();
    script.turn().accept(8).accept(7).turn().run(8).turn().run(7);
    const story = told(script);
    assert.equal(story.indexAt(0), -1);
    assert.equal(story.indexAt(3), -1);
    assert.equal(story.rows[story.indexAt(4)].name, "accepted");
    assert.equal(story.rows[story.indexAt(99)].name, "run_ended");
});

test("a long story keeps its last rows", () => {
    const story = new Story("7");
    for (let number = 0; number < 3 * ROWS; number += 1) {
        story.push({ time: 0, turn: 1, connection: 7, event: "woken" }, number);
    }
    assert.ok(story.rows.length >= ROWS && story.rows.length <= 1.1 * ROWS + 1);
    assert.equal(story.rows.at(-1).number, 3 * ROWS - 1);
});
