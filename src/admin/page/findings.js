// What deserves attention, in words. Each finding is a function of the model, with a threshold.

import { bytes, count, number, seconds } from "#format";
import { STALL } from "#turns";

/** The thresholds; docs/watching.md explains them. Times are in seconds. */
export const THRESHOLDS = {
    stall: STALL,
    /** A connection is ready and has not run for this long and for this many turns. */
    starved: { time: 0.1, turns: 3 },
    /** Output waits and the system takes none of it for this long. */
    unread: 2,
    /** A message is on its way for this long, in this many pieces or more, of at most this many bytes on average. */
    drip: { time: 1, pieces: 5, bytes: 16 },
    /** The interest changes this often in a second. */
    flaps: 10,
    /** This many wake-ups in a second are for nothing. */
    idle: 20,
};

/** The number of findings of one kind that are listed; the rest are counted. */
const SHOWN = 3;

/** How long a stall or a loss stays listed, in seconds of the trace. */
const REMEMBERED = 30;

/** All findings: the first of each kind, the gravest kinds first, and then the others. */
export function findings(model, now) {
    const kinds = new Set();
    const [first, others] = [[], []];
    for (const finding of byKind(model, now)) {
        (kinds.has(finding.kind) ? others : first).push(finding);
        kinds.add(finding.kind);
    }
    return [...first, ...others];
}

function byKind(model, now) {
    return [
        ...stalls(model, now),
        ...perConnection(model, now),
        ...accepting(model, now),
        ...idle(model, now),
        ...skipped(model, now),
        ...dropped(model, now),
    ];
}

function stalls(model, now) {
    const recent = [...model.turns.stalls].filter((stall) => now - stall.time < REMEMBERED).reverse();
    return limited(recent, (stall) => ({
        kind: "stalled turn",
        key: `stall ${stall.turn}`,
        connection: stall.longest?.connection,
        age: now - stall.time,
        turn: stall.turn,
        text: stalled(stall),
    }));
}

/** "Turn 8,213 took 402 ms: connection 7's handler ran for 401 ms; 3 others waited." */
export function stalled({ turn, took, runs, apart, longest, others, parts }) {
    const waited = others.size - (longest && others.has(longest.connection) ? 1 : 0);
    const rest = waited > 0 ? `; ${count(waited, "other")} waited` : "";
    const beginning = `Turn ${number(turn)} took ${seconds(took)}`;
    if (longest && longest.took > took / 2) {
        return `${beginning}: connection ${longest.connection}'s handler ran for ${seconds(longest.took)}${rest}.`;
    }
    if (longest && longest.took > 0) {
        const slowest = `the longest, connection ${longest.connection}'s, took ${seconds(longest.took)}`;
        return `${beginning} for ${count(runs, "run")}: ${slowest}${rest}.`;
    }
    if (runs === 0 && apart > 0) {
        return `${beginning}, since the server answered those that watch it${rest}.`;
    }
    const slowest = parts && ["dispatch", "run", "accept", "timers"].reduce((a, b) => (parts[b] > parts[a] ? b : a));
    return slowest ? `${beginning}, ${seconds(parts[slowest])} of it in ${slowest}${rest}.` : `${beginning}${rest}.`;
}

function perConnection(model, now) {
    const found = { starved: [], unread: [], dripping: [], flapping: [] };
    for (const connection of model.connections.values()) {
        if (starves(connection, model, now)) {
            found.starved.push(connection);
        }
        if (connection.stalledSince !== null && now - connection.stalledSince > THRESHOLDS.unread) {
            found.unread.push(connection);
        }
        if (drips(connection, now)) {
            found.dripping.push(connection);
        }
        if (connection.flipsNow(now) >= THRESHOLDS.flaps) {
            found.flapping.push(connection);
        }
    }
    const listed = (kind, all, since, text) => {
        all.sort((a, b) => since(a) - since(b));
        return limited(all, (connection) => ({
            kind,
            key: `${kind} ${connection.key}`,
            connection: connection.id,
            connectionKey: connection.key,
            text: text(connection),
        }));
    };
    return [
        ...listed(
            "starved connection",
            found.starved,
            (it) => it.readySince,
            (it) => starved(it, model, now),
        ),
        ...listed(
            "peer that never reads",
            found.unread,
            (it) => it.stalledSince,
            (it) => unread(it, now),
        ),
        ...listed(
            "dripping peer",
            found.dripping,
            (it) => it.messageBegan,
            (it) => dripping(it, now),
        ),
        ...listed(
            "interest that flaps",
            found.flapping,
            (it) => -it.flips,
            (it) => flapping(it, now),
        ),
    ];
}

function starves(it, model, now) {
    const { time, turns } = THRESHOLDS.starved;
    return it.readySince !== null && now - it.readySince > time && model.turn - it.readyTurn >= turns;
}

function starved(it, model, now) {
    const turns = count(model.turn - it.readyTurn, "turn");
    return `Connection ${it.id} has been ready for ${seconds(now - it.readySince)} and ${turns}, and has not run.`;
}

function unread(it, now) {
    const kernel = it.sendQ > 0 ? `, and ${bytes(it.sendQ)} in the kernel` : "";
    return (
        `Connection ${it.id}'s peer has read nothing for ${seconds(now - it.stalledSince)}: ` +
        `${bytes(it.output)} wait in our memory${kernel}. Its interest is ${it.interest}.`
    );
}

function drips(it, now) {
    const { time, pieces, bytes: most } = THRESHOLDS.drip;
    return (
        it.messageBegan !== null &&
        now - it.messageBegan > time &&
        it.pieces >= pieces &&
        it.pieceBytes / it.pieces <= most
    );
}

function dripping(it, now) {
    const left = it.deadline === null ? "" : ` Its timer fires in ${seconds(Math.max(0, it.deadline - now))}.`;
    return (
        `Connection ${it.id}'s peer sends its message in drips: ${count(it.pieceBytes, "byte")} ` +
        `in ${count(it.pieces, "read")} over ${seconds(now - it.messageBegan)}.${left}`
    );
}

function flapping(it, now) {
    return `Connection ${it.id}'s interest changed ${count(it.flipsNow(now), "time")} within a second; it is ${it.interest}.`;
}

function accepting({ paused }, now) {
    return paused
        ? [
              {
                  kind: "accepting paused",
                  key: "accepting",
                  text: `No connection has been accepted for ${seconds(now - paused.since)}: ${paused.why}.`,
              },
          ]
        : [];
}

function idle({ rates }, now) {
    const wakeups = rates.idle.at(now);
    return wakeups >= THRESHOLDS.idle
        ? [
              {
                  kind: "wake-ups for nothing",
                  key: "idle",
                  text: `In the last second, ${count(wakeups, "wake-up")} found nothing to do.`,
              },
          ]
        : [];
}

function skipped({ skipped: { turns, time } }, now) {
    return turns > 0 && now - time < REMEMBERED
        ? [
              {
                  kind: "turns skipped",
                  key: "skipped",
                  age: now - time,
                  text: `Of ${count(turns, "turn")}, the server has told only which connections came and went.`,
              },
          ]
        : [];
}

function dropped({ dropped: { lines, time } }, now) {
    return lines > 0 && now - time < REMEMBERED
        ? [
              {
                  kind: "lines dropped",
                  key: "dropped",
                  age: now - time,
                  text: `${count(lines, "line")} of the trace were dropped, so this page doesn't show everything.`,
              },
          ]
        : [];
}

/** The first few, and a line that counts the rest. */
function limited(items, finding) {
    const listed = items.slice(0, SHOWN).map(finding);
    const rest = items.length - listed.length;
    if (rest > 0) {
        const { kind } = listed[0];
        listed.push({ kind, key: `${kind} more`, text: `And ${number(rest)} more.`, isRest: true });
    }
    return listed;
}
