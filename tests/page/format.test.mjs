// Figures as people read them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, count, seconds, ticking } from "../../src/admin/page/format.js";

test("durations have three digits at most and a unit", () => {
    const told = [0, 1.5e-6, 74.71e-6, 0.402, 0.99951, 1.2, 100, 200, 7260, -0.5].map(seconds);
    assert.deepEqual(told, [
        "0 s",
        "1.5 µs",
        "74.7 µs",
        "402 ms",
        "1 s",
        "1.2 s",
        "100 s",
        "3 min 20 s",
        "2 h 1 min",
        "−500 ms",
    ]);
    assert.equal(seconds(null), "–");
});

test("durations that are watched don't flicker", () => {
    assert.deepEqual([58.93, 1.26, 0.44, 0.004, 0].map(ticking), ["59 s", "1.3 s", "400 ms", "4 ms", "0 ms"]);
});

test("bytes have binary units, and some can't be counted", () => {
    assert.deepEqual([0, 1023, 1024, 65536, 1.5 * 1024 ** 2, null].map(bytes), [
        "0 B",
        "1023 B",
        "1 KiB",
        "64 KiB",
        "1.5 MiB",
        "∞",
    ]);
    assert.deepEqual([count(1, "event"), count(8213, "event")], ["1 event", "8,213 events"]);
});
