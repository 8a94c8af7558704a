// How often something happens: a count over the last second of the trace's time.

const BUCKETS = 10;
const WINDOW = 1;

export class Rate {
    #counts = new Float64Array(BUCKETS);
    #bucket = 0;

    #advance(time) {
        const bucket = Math.floor((time / WINDOW) * BUCKETS);
        const passed = Math.min(BUCKETS, bucket - this.#bucket);
        for (let step = 1; step <= passed; step += 1) {
            this.#counts[(bucket - passed + step) % BUCKETS] = 0;
        }
        this.#bucket = Math.max(this.#bucket, bucket);
    }

    add(time, amount = 1) {
        this.#advance(time);
        this.#counts[this.#bucket % BUCKETS] += amount;
    }

    /** The count of the second before `time`. */
    at(time) {
        this.#advance(time);
        return this.#counts.reduce((sum, count) => sum + count, 0);
    }

    clone() {
        const copy = new Rate();
        copy.#counts = this.#counts.slice();
        copy.#bucket = this.#bucket;
        return copy;
    }
}
