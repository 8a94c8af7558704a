// The events that the page keeps, and the state before the first of them.

import { History } from "#history";
import { Model } from "#model";

export class Tape {
    #events;
    /** The state before the first event that is kept. */
    #base = new Model();
    /** The number of events that came, of which the first ones may be gone. */
    end = 0;

    constructor(limit) {
        this.#events = new History(limit);
    }

    /** The number of the first event that is kept. */
    get first() {
        return this.end - this.#events.length;
    }

    push(event) {
        const gone = this.#events.push(event);
        if (gone) {
            this.#base.apply(gone);
        }
        this.end += 1;
    }

    at(number) {
        return this.#events.at(number - this.first);
    }

    /** A copy of the state before the first event that is kept. */
    start() {
        return this.#base.clone();
    }
}
