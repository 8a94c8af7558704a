// The findings: each appears above its threshold, and not below it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { findings, THRESHOLDS } from "../../src/admin/page/findings.js";
import { Model } from "../../src/admin/page/model.js";
import { message, received, Script, sent, stepped } from "./events.mjs";

/** The findings after a script, and some time, as "kind: text". */
function found(script, later = 0) {
    const model = new Model();
    script.events.forEach((event) => model.apply(event));
    return findings(model, model.now + later).map(({ kind, text }) => `${kind}: ${text}`);
}

test("a server at rest has no findings", () => {
    const script = new Script();
    script
        .turn()
        .accept(1)
        .run(1, {}, ...message(20, 20), sent(40));
    assert.deepEqual(found(script, 5), []);
});

test("a stalled turn names the handler and counts the others", () => {
    const script = new Script();
    script.turn(1, 4).selected(7).selected(8).selected(9);
    script.run(7, { took: 0.401 }).wait(0.001).run(8).run(9);
    script.turn(0).selected(10).turn(0);
    const text = "Turn 1 took 402 ms: connection 7's handler ran for 401 ms; 3 others waited.";
    assert.deepEqual(found(script), [`stalled turn: ${text}`]);
});

test("a turn of 10 ms is no stall", () => {
    const script = new Script();
    script.turn().run(7, { took: THRESHOLDS.stall }).turn();
    assert.deepEqual(found(script), []);
});

test("a turn that stalls in many runs names the longest", () => {
    const script = new Script();
    script
        .turn(1, 3)
        .selected(1)
        .selected(2)
        .selected(3)
        .run(1, { took: 0.01 })
        .run(2, { took: 0.012 })
        .run(3, { took: 0.01 })
        .turn();
    const text = "Turn 1 took 32 ms for 3 runs: the longest, connection 2's, took 12 ms; 1 other waited.";
    assert.deepEqual(found(script), [`stalled turn: ${text}`]);
});

test("a turn that stalls outside of runs names the station", () => {
    const script = new Script();
    script.turn(1, 3).own("turn_ended", { select: 1, dispatch: 0.001, run: 0, accept: 0.03, timers: 0 });
    assert.deepEqual(found(script), ["stalled turn: Turn 1 took 31 ms, 30 ms of it in accept."]);
});

test("a connection that is ready and doesn't run is starved", () => {
    const script = new Script();
    script.turn().selected(7);
    for (let turn = 0; turn < 12; turn += 1) {
        script.turn(0.01).run(1, {}, received(1));
    }
    assert.deepEqual(found(script), [
        "starved connection: Connection 7 has been ready for 120 ms and 12 turns, and has not run.",
    ]);
    script.run(7);
    assert.deepEqual(found(script), []);
});

test("a peer that never reads shows its queue and its interest", () => {
    const script = new Script();
    script.turn().run(5, { how: "waits for room", output: 65536 }, ...message(20, 20), sent(1000, 65536));
    script.of(5, "interest_changed", { from: "r", to: "w" });
    assert.deepEqual(found(script, 2), []);
    const text = "Connection 5's peer has read nothing for 3 s: 64 KiB wait in our memory. Its interest is w.";
    assert.deepEqual(found(script, 3), [`peer that never reads: ${text}`]);
    script.wait(1).turn().run(5, { output: 60000 }, sent(5536, 60000));
    assert.deepEqual(found(script, 1), []);
});

test("a dripping peer sends its message in many small pieces", () => {
    const script = new Script();
    script
        .turn()
        .run(
            3,
            { state: "protoheader", got: 1, want: 2 },
            received(1),
            stepped("idle", "first byte", "protoheader", 1, 2),
        );
    script
        .turn()
        .run(
            3,
            { state: "JSON header", got: 0, want: 99 },
            received(1),
            stepped("protoheader", "protoheader read", "JSON header", 0, 99),
        );
    for (let got = 1; got <= 4; got += 1) {
        script.turn(0.3).run(3, { state: "JSON header", got, want: 99 }, received(1));
    }
    script.of(3, "timer_set", { after: 8.8 });
    const text =
        "Connection 3's peer sends its message in drips: 6 bytes in 6 reads over 1.2 s. Its timer fires in 8.8 s.";
    assert.deepEqual(found(script), [`dripping peer: ${text}`]);
});

test("a peer that sends a long message in large pieces doesn't drip", () => {
    const script = new Script();
    script.turn().run(3, { state: "content", got: 9, want: 9999 }, received(100), ...message(20, 9999).slice(1, 4));
    for (let turn = 0; turn < 10; turn += 1) {
        script.turn(0.3).run(3, { state: "content", got: 9, want: 9999 }, received(500));
    }
    assert.deepEqual(found(script), []);
});

test("accepting that is paused tells why and for how long, until it goes on", () => {
    const script = new Script();
    script.turn().own("accepting_paused", { why: "too many open files", is_news: true });
    script.wait(2).turn();
    assert.deepEqual(found(script), [
        "accepting paused: No connection has been accepted for 2 s: too many open files.",
    ]);
    script.own("accepting_resumed");
    assert.deepEqual(found(script), []);
});

test("interest that changes ten times in a second flaps", () => {
    const script = new Script();
    for (let change = 0; change < THRESHOLDS.flaps; change += 1) {
        script.turn(0.05).of(4, "interest_changed", { from: "r", to: "w" });
    }
    const text = "Connection 4's interest changed 10 times within a second; it is w.";
    assert.deepEqual(found(script), [`interest that flaps: ${text}`]);
    assert.deepEqual(found(script, 3), []);
});

test("turns and runs in which nothing happens are wake-ups for nothing", () => {
    const script = new Script();
    for (let turn = 0; turn < THRESHOLDS.idle; turn += 1) {
        script.turn(0.01).selected(4).run(4);
    }
    assert.deepEqual(found(script), ["wake-ups for nothing: In the last second, 20 wake-ups found nothing to do."]);
});

test("turns in which only those that watch are answered are not for nothing, and say so if they stall", () => {
    const script = new Script();
    const parts = { select: 0.01, dispatch: 0, run: 0, accept: 0, timers: 0 };
    for (let turn = 0; turn < 2 * THRESHOLDS.idle; turn += 1) {
        script.turn(0.01, 0).own("turn_ended", { ...parts, apart: 1 });
    }
    assert.deepEqual(found(script), []);
    script.turn(0.01, 0).own("turn_ended", { ...parts, run: 0.03, apart: 1 });
    assert.deepEqual(found(script), [
        "stalled turn: Turn 41 took 30 ms, since the server answered those that watch it.",
    ]);
    const vain = new Script();
    for (let turn = 0; turn < THRESHOLDS.idle; turn += 1) {
        vain.turn(0.01, 0).own("turn_ended", parts);
    }
    assert.deepEqual(found(vain), ["wake-ups for nothing: In the last second, 20 wake-ups found nothing to do."]);
});

test("runs by timers are not for nothing", () => {
    const script = new Script();
    for (let turn = 0; turn < 2 * THRESHOLDS.idle; turn += 1) {
        script.turn(0.01, 0).of(4, "timer_fired", { is_due: true }).run(4);
    }
    assert.deepEqual(found(script), []);
});

test("turns that were told without details are counted", () => {
    const script = new Script();
    script.turn();
    script.events.push({ event: "turns_skipped", turns: 1200 }, { event: "turns_skipped", turns: 34 });
    const text = "Of 1,234 turns, the server has told only which connections came and went.";
    assert.deepEqual(found(script), [`turns skipped: ${text}`]);
});

test("lines that were dropped are counted", () => {
    const script = new Script();
    script.turn();
    script.events.push({ event: "lines_dropped", lines: 120 }, { event: "lines_dropped", lines: 3 });
    const text = "123 lines of the trace were dropped, so this page doesn't show everything.";
    assert.deepEqual(found(script), [`lines dropped: ${text}`]);
});

test("the first of each kind comes before the others", () => {
    const script = new Script();
    for (let turn = 0; turn < 3; turn += 1) {
        script.turn(0.01).run(1, { took: 0.02 }, received(1));
    }
    script.turn().own("accepting_paused", { why: "full", is_news: true });
    const kinds = found(script).map((finding) => finding.split(":")[0]);
    assert.deepEqual(kinds, ["stalled turn", "accepting paused", "stalled turn", "stalled turn"]);
});

test("many findings of one kind are counted", () => {
    const script = new Script();
    script.turn();
    for (let connection = 1; connection <= 9; connection += 1) {
        script.run(connection, { output: 10 }, sent(0, 10));
    }
    const all = found(script, 5);
    assert.equal(all.length, 4);
    assert.equal(all.at(-1), "peer that never reads: And 6 more.");
});
