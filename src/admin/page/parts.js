// The meaning of the bytes that a peer sends: which belong to a protoheader, a JSON header or a content.
//
// The trace has lengths, not bytes. A step of the session says how long the next part is, and the parts of all messages
// follow each other without gaps, so the lengths are enough. Bytes whose part isn't known yet are "unknown".

const PROTOHEADER = 2;

export class Parts {
    /** The ends of the parts so far, each with its kind. They are in order, and the first begins at 0. */
    #ends = [];
    #received = 0;

    /** Takes the number of bytes that were read, and returns where they begin. */
    receive(length) {
        this.#received += length;
        return this.#received - length;
    }

    /** Takes a step of the session. */
    step({ cause, to, want }) {
        switch (cause) {
            case "first byte":
                this.#add("protoheader", PROTOHEADER);
                break;
            case "protoheader read":
                if (to === "JSON header") {
                    this.#add("header", want);
                }
                break;
            case "JSON header read":
                this.#add("content", want);
                break;
        }
    }

    /** Begins a message with the next byte, whatever came before it. */
    align() {
        this.#ends.push({ kind: "unknown", end: this.#received });
    }

    /** Forgets the parts that end before a position. */
    forget(position) {
        this.#ends.splice(0, Math.min(this.#after(position), this.#ends.length - 1));
    }

    #add(kind, length) {
        this.#ends.push({ kind, end: this.known + (length ?? 0) });
    }

    /** The number of bytes whose part is known. */
    get known() {
        return this.#ends.at(-1)?.end ?? 0;
    }

    /** The parts of the bytes from `start`, with their lengths. */
    split(start, length) {
        const found = [];
        const end = start + length;
        let at = start;
        for (let index = this.#after(start); at < end && index < this.#ends.length; index += 1) {
            const part = this.#ends[index];
            const until = Math.min(end, part.end);
            if (until > at) {
                found.push({ kind: part.kind, length: until - at });
                at = until;
            }
        }
        if (at < end) {
            found.push({ kind: "unknown", length: end - at });
        }
        return found;
    }

    /** The index of the first part that ends after a position. */
    #after(position) {
        let low = 0;
        let high = this.#ends.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.#ends[middle].end <= position) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
