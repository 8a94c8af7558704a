// The last turns by duration, on a logarithmic scale; those over the threshold are marked.

import { setAttribute, setText } from "#elements";
import { count, number, seconds } from "#format";
import { STALL } from "#turns";

const BAR = 3;
const GAP = 1;
/** The shortest and the longest duration of the scale, in seconds. */
const SHORTEST = 1e-5;
const LONGEST = 1;
/** The most steps of a turn on the scale, where no time passes within a turn. */
const MOST_STEPS = 1000;
const MARKS = [1e-4, 1e-3, 1e-2, 1e-1];
/** The room for the scale's figures. */
const LEFT = 50;

/** The height of a turn's bar, from 0 to 1. */
export function heightOf(turn) {
    const [value, least, most] = turn.took === null ? [turn.steps, 0.8, MOST_STEPS] : [turn.took, SHORTEST, LONGEST];
    return Math.min(1, Math.max(0.03, Math.log(Math.max(value, least) / least) / Math.log(most / least)));
}

export class Strip {
    #canvas = document.getElementById("strip");
    #told = document.getElementById("turn-told");
    #colours = null;
    /** The turn under the pointer or the cursor, counted from the newest. */
    #cursor = null;
    #shown = [];

    constructor() {
        this.#canvas.addEventListener("pointermove", (event) => {
            this.#cursor = this.#at(event.offsetX);
        });
        this.#canvas.addEventListener("pointerleave", () => {
            this.#cursor = null;
        });
        this.#canvas.addEventListener("blur", () => {
            this.#cursor = null;
        });
        this.#canvas.addEventListener("keydown", (event) => {
            const by = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
            if (by !== undefined && !event.shiftKey) {
                this.#cursor = Math.min(this.#shown.length - 1, Math.max(0, (this.#cursor ?? -1) + by));
                event.preventDefault();
                event.stopPropagation();
            }
        });
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
            this.#colours = null;
        });
    }

    #at(x) {
        const index = Math.floor((x - LEFT) / (BAR + GAP));
        const fromNewest = this.#shown.length - 1 - index;
        return index >= 0 && fromNewest >= 0 ? fromNewest : null;
    }

    show(turns) {
        const canvas = this.#canvas;
        const { clientWidth: width, clientHeight: height } = canvas;
        if (width === 0) {
            return;
        }
        const scale = devicePixelRatio;
        const [inner, outer] = [Math.round(width * scale), Math.round(height * scale)];
        if (canvas.width !== inner || canvas.height !== outer) {
            canvas.width = inner;
            canvas.height = outer;
        }
        const room = Math.floor((width - LEFT) / (BAR + GAP));
        const shown = [];
        for (let index = Math.max(0, turns.all.length - room); index < turns.all.length; index += 1) {
            shown.push(turns.all.at(index));
        }
        this.#shown = shown;
        this.#draw(canvas.getContext("2d"), width, height, scale, turns.areTimed);
        this.#tell(turns);
    }

    #draw(pen, width, height, scale, areTimed) {
        this.#colours ??= colours(this.#canvas);
        const { bar, bad, line, text, cursor } = this.#colours;
        pen.setTransform(scale, 0, 0, scale, 0, 0);
        pen.clearRect(0, 0, width, height);
        pen.font = "11px system-ui, sans-serif";
        pen.textBaseline = "middle";
        pen.textAlign = "right";
        const bottom = height - 1;
        const rise = bottom - 8;
        for (const mark of areTimed ? MARKS : [1, 10, 100]) {
            const at = areTimed ? { took: mark } : { took: null, steps: mark };
            const y = Math.round(bottom - heightOf(at) * rise) + 0.5;
            const isThreshold = areTimed && mark === STALL;
            pen.strokeStyle = isThreshold ? bad : line;
            pen.globalAlpha = isThreshold ? 0.7 : 1;
            pen.setLineDash(isThreshold ? [4, 4] : []);
            pen.beginPath();
            pen.moveTo(LEFT, y);
            pen.lineTo(width, y);
            pen.stroke();
            pen.globalAlpha = 1;
            pen.fillStyle = text;
            pen.fillText(areTimed ? seconds(mark) : `${mark}`, LEFT - 6, y);
        }
        pen.setLineDash([]);
        this.#shown.forEach((turn, index) => {
            const isCursor = this.#cursor !== null && index === this.#shown.length - 1 - this.#cursor;
            pen.fillStyle = isCursor ? cursor : turn.stall ? bad : bar;
            const size = Math.max(2, heightOf(turn) * rise);
            pen.globalAlpha = turn.isOver || isCursor ? 1 : 0.5;
            pen.fillRect(LEFT + index * (BAR + GAP), bottom - size, BAR, size);
        });
        pen.globalAlpha = 1;
    }

    #tell(turns) {
        const turn = this.#shown.at(-1 - (this.#cursor ?? 0));
        let told = "";
        if (turn && this.#cursor !== null) {
            const took = turn.took === null ? count(turn.steps, "step") : seconds(turn.took);
            told = `turn ${number(turn.number)}: ${took}, ${count(turn.events, "event")}, ${count(turn.runs, "run")}`;
        } else if (turn) {
            const what = turns.areTimed ? "" : " by steps, since virtual time stands still within a turn";
            told = `the last ${number(this.#shown.length)}${what}`;
        }
        setText(this.#told, told);
        setAttribute(this.#canvas, "aria-label", `The last turns by duration. ${told}`);
    }
}

function colours(canvas) {
    const style = getComputedStyle(canvas);
    const variable = (name) => style.getPropertyValue(name).trim();
    return {
        bar: variable("--bar"),
        bad: variable("--bad"),
        line: variable("--line"),
        text: variable("--quiet"),
        cursor: variable("--accent"),
    };
}
