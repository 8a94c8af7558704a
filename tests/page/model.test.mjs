// The state after lists of events.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ordered } from "../../src/admin/page/connections.js";
import { parse } from "../../src/admin/page/events.js";
import { History } from "../../src/admin/page/history.js";
import { Model } from "../../src/admin/page/model.js";
import { Player } from "../../src/admin/page/player.js";
import { Rate } from "../../src/admin/page/rate.js";
import { Tape } from "../../src/admin/page/tape.js";
import { message, received, replied, Script, sent, stepped } from "./events.mjs";

function after(script, count = script.events.length) {
    const model = new Model();
    script.events.slice(0, count).forEach((event) => model.apply(event));
    return model;
}

test("lines that are no objects are counted and left out", () => {
    const { events, broken } = parse('{"event":"woken"}\n\n[1]\n7\n{"event":"clo');
    assert.deepEqual([events.length, broken], [1, 3]);
});

test("a full history keeps the newest items in order", () => {
    const history = new History(3);
    assert.deepEqual(
        [1, 2, 3, 4, 5].map((item) => history.push(item)),
        [undefined, undefined, undefined, 1, 2],
    );
    assert.deepEqual([...history], [3, 4, 5]);
    assert.deepEqual([history.at(0), history.at(-1), history.at(3), history.at(-4)], [3, 5, undefined, undefined]);
});

test("a rate is the count of the last second", () => {
    const rate = new Rate();
    for (let step = 0; step < 100; step += 1) {
        rate.add(step / 20);
    }
    assert.equal(rate.at(4.95), 20);
    assert.equal(rate.at(9), 0);
});

test("a message lights its stages in order", () => {
    const script = new Script();
    script
        .turn()
        .accept(7)
        .run(7, {}, ...message(103, 43), replied(176), sent(176));
    const lit = script.events.map((_, index) => after(script, index + 1).connection("7")?.lit ?? null);
    assert.deepEqual(lit, [null, null, -1, -1, -1, 0, 1, 2, 3, 3, 3, -1]);
});

test("a part of a message is lit until the rest arrives", () => {
    const script = new Script();
    const steps = message(103, 43).slice(1, 3);
    script
        .turn()
        .accept(7)
        .run(7, { state: "JSON header", got: 48, want: 103, input: 48 }, received(50), ...steps);
    const it = after(script).connection("7");
    assert.deepEqual([it.lit, it.got, it.want, it.input, it.messageBegan], [1, 48, 103, 48, 0]);
});

test("a connection that has ended is kept for a while and is not open", () => {
    const script = new Script();
    script.turn().accept(7).of(7, "closed", { end: "finished" });
    const model = after(script);
    assert.equal(model.connections.size, 0);
    assert.equal(model.connection("7").ended.how, "finished");
    assert.deepEqual([model.accepted, model.closed.get("finished")], [1, 1]);
    assert.equal(model.shown(3, 4).length, 1);
    assert.equal(model.shown(5, 4).length, 0);
});

test("connections of two threads with the same number are two", () => {
    const script = new Script();
    script.turn().accept(1);
    const model = after(script);
    for (const thread of ["worker 1", "worker 2"]) {
        model.apply({ time: 1, thread, turn: 9, connection: 1, peer: "p", event: "accepted" });
    }
    assert.equal(model.connections.size, 3);
    assert.equal(model.turn, 1, "the turns are those of the first thread");
});

test("the samples of several threads are added up", () => {
    const script = new Script();
    script.turn();
    const sample = { open: 2, timers: 3, accepted: 4, closed: { finished: 2 }, bytes_in: 10, accepting: "yes" };
    script.own("loop_is", { ...sample, thread: "worker 1" });
    script.wait(1).own("loop_is", { ...sample, thread: "worker 2", accepting: "full" });
    let model = after(script);
    assert.deepEqual([model.sampled("open"), model.sampled("timers"), model.sampled("messages")], [4, 6, undefined]);
    assert.deepEqual([model.accepted, model.bytesIn, model.closed.get("finished")], [8, 20, 4]);
    assert.deepEqual([model.sampledAt, model.paused], [0, { why: "full", since: 1 }]);
    script.wait(1).own("loop_is", { ...sample, thread: "worker 2" });
    model = after(script);
    assert.deepEqual([model.accepted, model.paused], [8, null]);
});

test("samples replace what is known, and tell when they were taken", () => {
    const script = new Script();
    script.wait(5).turn();
    const sample = {
        age: 3,
        stage: "responding",
        interest: "w",
        state: "idle",
        input: 1,
        output: 2,
        recv_q: 3,
        send_q: 4,
    };
    script.of(9, "connection_is", {
        ...sample,
        deadline: 1.5,
        deadline_for: "writing",
        messages: 6,
        bytes_in: 7,
        bytes_out: 8,
    });
    script.own("loop_is", {
        open: 1,
        runnable: 0,
        timers: 1,
        accepting: "full",
        turns: 5,
        accepted: 50,
        refused: 2,
        closed: { finished: 47 },
    });
    const model = after(script);
    const it = model.connection("9");
    assert.deepEqual(
        [it.opened, it.stage, it.interest, it.output, it.recvQ, it.sendQ],
        [2, "responding", "w", 2, 3, 4],
    );
    assert.deepEqual([it.deadline, it.deadlineFor, it.messages, it.sampled, it.lit], [6.5, "writing", 6, 5, 3]);
    assert.deepEqual(
        [model.accepted, model.refused, model.paused.why, model.closed.get("finished")],
        [50, 2, "full", 47],
    );
});

test("connections that ended while the stream was cut off are forgotten", () => {
    const script = new Script();
    script.turn(1).accept(1).accept(2);
    script.events.push({ ...script.events[0] });
    script
        .wait(1)
        .of(2, "connection_is", { age: 1, stage: "receiving", interest: "r", state: "idle", input: 0, output: 0 });
    assert.deepEqual([...after(script).connections.keys()], ["1", "2"]);
    script.wait(3).turn();
    assert.deepEqual([...after(script).connections.keys()], ["2"]);
});

test("a turn takes as long as its parts, or as long as its events", () => {
    const script = new Script();
    script.turn(1).run(1, { took: 0.004 });
    script.turn(1).run(1).own("turn_ended", { select: 1, dispatch: 0.001, run: 0.002, accept: 0, timers: 0 });
    const { all } = after(script).turns;
    assert.deepEqual([all.at(0).took.toFixed(6), all.at(1).took.toFixed(6)], ["0.004000", "0.003000"]);
});

test("in virtual time turns have no duration", () => {
    const script = new Script();
    script.events[0].started = "1970-01-01T00:00:00Z";
    script.turn().run(1).turn();
    const model = after(script);
    assert.ok(model.isVirtual);
    assert.equal(model.turns.at?.(0)?.took ?? model.turns.all.at(0).took, null);
});

test("busy connections come first, or old ones, or stuck ones", () => {
    const script = new Script();
    script.turn().accept(1).accept(2).wait(1).accept(3);
    script
        .turn()
        .run(
            2,
            { state: "JSON header", got: 1, want: 9 },
            received(1),
            stepped("idle", "first byte", "protoheader", 1, 2),
        );
    script
        .wait(1)
        .turn()
        .run(3, {}, ...message(9, 9));
    const model = after(script);
    const all = [...model.connections.values()];
    assert.equal(ordered(all, "busiest", model.now)[0], "3");
    assert.deepEqual(ordered(all, "oldest", model.now), ["1", "2", "3"]);
    assert.equal(ordered(all, "stuck", model.now)[0], "2");
});

/** A long script with many turns. */
function long() {
    const script = new Script();
    for (let turn = 0; turn < 400; turn += 1) {
        script
            .turn(0.001)
            .selected(turn % 5)
            .run(turn % 5, { took: 0.0005 }, ...message(20, 30), sent(9));
    }
    return script;
}

function state(model) {
    const all = [...model.connections.values()].map((it) => ({ ...it }));
    return JSON.stringify([model.now, model.turn, model.messages, all, [...model.turns.all]]);
}

test("the state at a position is the same on every way there", () => {
    const script = long();
    const tape = new Tape(10_000);
    script.events.forEach((event) => tape.push(event));
    const player = new Player(tape, false);
    const there = state(after(script, 2000));
    player.seek(2000);
    assert.equal(state(player.model), there);
    player.seek(tape.end);
    player.seek(2003);
    player.step(-1);
    player.step(-1);
    player.step(-1);
    assert.equal(player.position, 2000);
    assert.equal(state(player.model), there);
    assert.ok(!player.isPlaying);
});

test("the state is right though the first events are gone", () => {
    const script = long();
    const tape = new Tape(100);
    script.events.forEach((event) => tape.push(event));
    const player = new Player(tape, true);
    player.advance(0.016);
    assert.equal(state(player.model), state(after(script)));
    player.seek(0);
    assert.equal(player.position, tape.first);
    assert.equal(state(player.model), state(after(script, tape.first)));
});

test("playing takes the time of the speed, or the times of the events with gaps cut short", () => {
    const script = new Script();
    script.turn().wait(100).turn().wait(0.25).turn();
    const tape = new Tape(100);
    script.events.forEach((event) => tape.push(event));
    const player = new Player(tape, false);
    player.toggle();
    player.speed = 2;
    player.advance(1);
    assert.equal(player.position, 2);
    player.speed = 0;
    player.advance(0.9);
    assert.equal(player.position, 2);
    player.advance(0.2);
    assert.equal(player.position, 3);
    assert.ok(player.isPlaying);
    player.advance(1);
    assert.deepEqual([player.position, player.isPlaying], [4, false]);
});

test("a step by turns ends where a turn begins", () => {
    const script = long();
    const tape = new Tape(10_000);
    script.events.forEach((event) => tape.push(event));
    const player = new Player(tape, false);
    player.seek(15);
    player.stepTurn(1);
    assert.equal(tape.at(player.position).event, "turn_begun");
    const { position } = player;
    player.stepTurn(1);
    player.stepTurn(-1);
    assert.equal(player.position, position);
});
