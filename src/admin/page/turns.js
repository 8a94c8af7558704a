// The turns of the loop: how long each took, where the time went, and what it did.

import { History } from "#history";

/** The number of turns that are kept. */
export const TURNS = 600;

/** A turn that takes longer than this many seconds is a stall. */
export const STALL = 0.01;

/** If `select` returns within this many seconds, its events have been waiting. */
const AT_ONCE = 0.001;

const STALLS = 50;

export class Turns {
    all = new History(TURNS);
    stalls = new History(STALLS);
    /** Whether times within a turn are known. In virtual time, the clock stands still within a turn. */
    areTimed = true;

    get last() {
        return this.all.at(-1);
    }

    /** The last turn that has ended. */
    get lastEnded() {
        const last = this.all.at(-1);
        return last?.isOver ? last : this.all.at(-2);
    }

    clone() {
        const copy = new Turns();
        copy.all = this.all.clone();
        copy.stalls = this.stalls.clone();
        copy.areTimed = this.areTimed;
        // The last turn is still changing.
        const last = copy.all.at(-1);
        if (last && !last.isOver) {
            copy.#replaceLast({ ...last, ready: last.ready.slice(), ran: last.ran.slice() });
        }
        return copy;
    }

    #replaceLast(turn) {
        const rest = [...this.all].slice(0, -1);
        this.all = new History(TURNS);
        for (const each of [...rest, turn]) {
            this.all.push(each);
        }
    }

    /** Takes an event. Returns the turn that it ends, if any. */
    apply(event) {
        let ended;
        if (event.event === "turn_begun") {
            ended = this.#finish();
            this.#begin(event);
            return ended;
        }
        const turn = this.all.at(-1);
        if (!turn || turn.number !== event.turn) {
            return undefined;
        }
        if (event.event === "turn_ended") {
            turn.apart = event.apart ?? 0;
            const { dispatch = 0, run = 0, accept = 0, timers = 0 } = event;
            turn.parts = { select: event.select ?? turn.waited, dispatch, run, accept, timers };
            turn.took = dispatch + run + accept + timers;
            return this.#finish();
        }
        turn.steps += 1;
        turn.until = event.time;
        this.#note(turn, event);
        return ended;
    }

    #begin(event) {
        const previous = this.all.at(-1);
        this.all.push({
            number: event.turn,
            time: event.time,
            until: event.time,
            waited: event.waited,
            events: event.events,
            took: null,
            parts: null,
            steps: 0,
            runs: 0,
            accepts: 0,
            fired: 0,
            woken: 0,
            /** What was done for those that watch, which are not in the trace. */
            apart: 0,
            /** The connection that was ready for each run, in order, and the longest run. */
            ready: [],
            ran: [],
            longest: null,
            isOver: false,
            // The events of this turn have been waiting for the last one, if `select` has returned at once.
            after: previous?.stall && event.waited < AT_ONCE ? previous.stall : null,
        });
    }

    #note(turn, event) {
        const connection = event.connection;
        switch (event.event) {
            case "selected":
            case "accepted":
                if (event.event === "accepted") {
                    turn.accepts += 1;
                }
                if (connection !== undefined) {
                    turn.ready.push(connection);
                    turn.after?.others.add(connection);
                }
                break;
            case "woken":
                turn.woken += 1;
                turn.ready.push(connection);
                break;
            case "timer_fired":
                turn.fired += 1;
                break;
            case "run_begun":
                turn.runs += 1;
                turn.ran.push(connection);
                turn.runBegan = event.time;
                break;
            case "run_ended": {
                const took = event.took ?? event.time - (turn.runBegan ?? event.time);
                if (took > (turn.longest?.took ?? 0)) {
                    turn.longest = { connection, peer: event.peer, took, place: turn.ran.length };
                }
                break;
            }
        }
    }

    #finish() {
        const turn = this.all.at(-1);
        if (!turn || turn.isOver) {
            return undefined;
        }
        turn.isOver = true;
        if (turn.took === null && this.areTimed) {
            turn.took = turn.until - turn.time;
        }
        if (turn.took > STALL) {
            const { longest } = turn;
            const others = new Set(turn.ready);
            for (const connection of longest ? turn.ran.slice(0, longest.place) : []) {
                others.delete(connection);
            }
            turn.stall = {
                turn: turn.number,
                time: turn.until,
                took: turn.took,
                runs: turn.runs,
                apart: turn.apart,
                longest,
                others,
            };
            if (turn.parts) {
                turn.stall.parts = turn.parts;
            }
            this.stalls.push(turn.stall);
        }
        // Only their numbers are needed from now on.
        turn.ready = turn.ran = [];
        turn.after = null;
        return turn;
    }
}
