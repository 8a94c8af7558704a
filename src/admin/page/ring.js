// The loop as a ring with its stations: where it is, how long the last turn took, and what was done in it.

import { element, graphic, setAttribute, setText, setVariable, word } from "#elements";
import { count, number, seconds } from "#format";
import { STATIONS } from "#stations";

const SIZE = 260;
const RADIUS = 112;
/** The gap between two stations, in degrees. */
const GAP = 12;

const STEP = 360 / STATIONS.length;

function point(degrees, radius) {
    const angle = ((degrees - 90) * Math.PI) / 180;
    return [SIZE / 2 + radius * Math.cos(angle), SIZE / 2 + radius * Math.sin(angle)].map((value) => value.toFixed(2));
}

function arc(from, to) {
    return `M${point(from, RADIUS).join(" ")}A${RADIUS} ${RADIUS} 0 0 1 ${point(to, RADIUS).join(" ")}`;
}

/** The figure in the ring, and what it is of. */
function figureOf(turn, areTimed) {
    if (!turn) {
        return ["–", "no turn yet"];
    }
    const name = `turn ${number(turn.number)}`;
    // A turn that goes on has no duration yet.
    return areTimed
        ? [seconds(turn.took), name]
        : [number(turn.steps), `${turn.steps === 1 ? "step" : "steps"} in ${name}`];
}

export class Ring {
    #arcs = new Map();
    #marker;
    #angle = 0;
    #took;
    #turn;
    #did;
    #rows = new Map();
    #graphic;

    constructor() {
        const arcs = STATIONS.map((station, index) => {
            const middle = index * STEP;
            const path = graphic("path", {
                d: arc(middle - STEP / 2 + GAP / 2, middle + STEP / 2 - GAP / 2),
                "data-station": station,
            });
            this.#arcs.set(station, path);
            return path;
        });
        const labels = STATIONS.map((station, index) => {
            const [x, y] = point(index * STEP, RADIUS - 18);
            const anchor = ["middle", "end", "end", "start", "start"][index];
            return graphic(
                "text",
                { x, y, class: "station", "text-anchor": anchor, "dominant-baseline": "middle" },
                station,
            );
        });
        this.#marker = graphic("circle", { class: "marker", r: 7, cx: SIZE / 2, cy: SIZE / 2 - RADIUS });
        this.#took = graphic("text", { class: "took", x: SIZE / 2, y: SIZE / 2 - 4, "text-anchor": "middle" });
        this.#turn = graphic("text", { class: "turn", x: SIZE / 2, y: SIZE / 2 + 18, "text-anchor": "middle" });
        this.#did = graphic("text", { class: "turn", x: SIZE / 2, y: SIZE / 2 + 34, "text-anchor": "middle" });
        this.#graphic = graphic(
            "svg",
            { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img" },
            ...arcs,
            ...labels,
            this.#marker,
            this.#took,
            this.#turn,
            this.#did,
        );
        const table = element("table", { class: "stations" });
        table.append(element("caption", { class: "hidden" }, "The last turn, by station"));
        for (const station of STATIONS) {
            const did = element("td");
            const took = element("td", { class: "number" });
            const row = element("tr", {}, element("th", { scope: "row" }, word(station)), did, took);
            this.#rows.set(station, { row, did, took });
            table.append(row);
        }
        document.getElementById("ring").append(this.#graphic, table);
    }

    show(model, isWaiting) {
        const station = isWaiting ? "select" : model.station;
        for (const [name, path] of this.#arcs) {
            setAttribute(path, "data-on", String(name === station));
        }
        this.#turnTo(STATIONS.indexOf(station) * STEP);
        const turn = model.turns.lastEnded ?? model.turns.last;
        const [figure, of] = figureOf(turn, model.turns.areTimed);
        setText(this.#took, figure);
        setText(this.#turn, of);
        setText(this.#did, turn ? count(turn.events, "event") : "");
        setAttribute(
            this.#graphic,
            "aria-label",
            `The loop is at ${station}. ${turn ? `Turn ${turn.number} took ${seconds(turn.took)}.` : ""}`,
        );
        setAttribute(this.#graphic, "data-stalled", String(turn?.stall !== undefined));
        if (turn) {
            this.#fill(turn);
        }
    }

    /** Moves the marker on to an angle, always forwards, as the loop goes. */
    #turnTo(degrees) {
        const by = (((degrees - this.#angle) % 360) + 360) % 360;
        if (by > 0) {
            this.#angle += by;
            this.#marker.style.transform = `rotate(${this.#angle}deg)`;
        }
    }

    #fill(turn) {
        const did = {
            select: `waited ${seconds(turn.waited)}`,
            dispatch: count(turn.events, "event"),
            run: count(turn.runs, "run"),
            accept: turn.accepts > 0 ? count(turn.accepts, "connection") : "",
            timers: turn.fired > 0 ? `${number(turn.fired)} fired` : "",
        };
        for (const [station, { row, did: cell, took }] of this.#rows) {
            setText(cell, did[station]);
            const part = turn.parts?.[station];
            // Waiting is no part of the time that a turn takes.
            setText(took, part === undefined || station === "select" ? "" : seconds(part));
            const share = part === undefined || station === "select" || turn.took <= 0 ? 0 : part / turn.took;
            setVariable(row, "--share", `${Math.round(100 * share)}%`);
        }
    }
}
