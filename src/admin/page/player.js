// The position in the tape: it follows a live server, plays at a speed, pauses, and steps back and forth.

/** The speeds, in events a second. 0 is the time at which they happened, with long gaps cut short. */
export const SPEEDS = [2, 10, 50, 200, 1000, 0];

/** The longest gap between two events when they play as they happened, in seconds. */
const GAP = 1;

/** A copy of the state is kept this many events before the position, so that a step back is short. */
const BACK = 500;

export class Player {
    /** The number of events that the model has seen. */
    position = 0;
    isPlaying = false;
    isLive = false;
    #tape;
    #checkpoint = null;
    #speed = 2;
    /** The time that has passed and isn't used up by events. */
    #credit = 0;

    constructor(tape, isLive) {
        this.#tape = tape;
        this.model = tape.start();
        this.isLive = isLive;
        this.isPlaying = isLive;
    }

    get speed() {
        return SPEEDS[this.#speed];
    }

    set speed(speed) {
        this.#speed = Math.max(0, SPEEDS.indexOf(speed));
    }

    get isAtEnd() {
        return this.position >= this.#tape.end;
    }

    get tape() {
        return this.#tape;
    }

    /** Faster (1) or slower (-1). */
    change(by) {
        this.#speed = Math.min(SPEEDS.length - 1, Math.max(0, this.#speed + by));
    }

    toggle() {
        if (!this.isPlaying && !this.isLive && this.isAtEnd) {
            this.seek(this.#tape.first);
        }
        this.isPlaying = !this.isPlaying;
        this.#credit = 0;
    }

    pause() {
        this.isPlaying = false;
    }

    /** The time of the trace: that of the last event, and what has passed since if it plays as it happened. */
    get now() {
        const isRunning = this.isPlaying && !this.isLive && this.speed === 0 && !this.isAtEnd;
        return this.model.now + (isRunning ? this.#credit : 0);
    }

    /** Goes on by the events of `elapsed` seconds. */
    advance(elapsed) {
        if (!this.isPlaying) {
            return;
        }
        if (this.isLive) {
            this.seek(this.#tape.end);
            return;
        }
        this.#credit += elapsed;
        while (!this.isAtEnd) {
            const cost = this.#cost();
            if (cost > this.#credit) {
                return;
            }
            this.#credit -= cost;
            this.#apply();
        }
        this.isPlaying = false;
    }

    /** The time until the next event. */
    #cost() {
        if (this.speed > 0) {
            return 1 / this.speed;
        }
        const { time } = this.#tape.at(this.position);
        return time === undefined ? 0 : Math.min(GAP, Math.max(0, time - this.model.now));
    }

    /** Steps by events, and pauses. */
    step(by) {
        this.pause();
        this.seek(this.position + by);
    }

    /** Steps to the end of the turn, or to the end of the one before, and pauses. */
    stepTurn(by) {
        this.pause();
        const isStart = (number) => this.#tape.at(number)?.event === "turn_begun";
        let number = this.position + by;
        while (number > this.#tape.first && number < this.#tape.end && !isStart(number)) {
            number += by;
        }
        this.seek(number);
    }

    /** Goes to a position: the state after that many events. */
    seek(position) {
        const to = Math.min(this.#tape.end, Math.max(this.#tape.first, position));
        if (to < this.position || this.position < this.#tape.first) {
            const checkpoint = this.#checkpoint;
            const isUsable = checkpoint && checkpoint.position <= to && checkpoint.position >= this.#tape.first;
            this.model = isUsable ? checkpoint.model.clone() : this.#tape.start();
            this.position = isUsable ? checkpoint.position : this.#tape.first;
            const early = to - BACK;
            if (early > this.position) {
                while (this.position < early) {
                    this.#apply();
                }
                this.#checkpoint = { position: this.position, model: this.model.clone() };
            }
        }
        while (this.position < to) {
            this.#apply();
        }
    }

    #apply() {
        this.model.apply(this.#tape.at(this.position));
        this.position += 1;
    }
}
