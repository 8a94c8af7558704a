// A bounded list: when it is full, each new item replaces the oldest.

export class History {
    #items = [];
    #oldest = 0;

    constructor(limit) {
        this.limit = limit;
    }

    get length() {
        return this.#items.length;
    }

    /** Adds an item, and returns the one that it replaces, if any. */
    push(item) {
        if (this.#items.length < this.limit) {
            this.#items.push(item);
            return undefined;
        }
        const replaced = this.#items[this.#oldest];
        this.#items[this.#oldest] = item;
        this.#oldest = (this.#oldest + 1) % this.limit;
        return replaced;
    }

    /** The item at an index, from the oldest; a negative index counts from the newest. */
    at(index) {
        const length = this.#items.length;
        const place = index < 0 ? length + index : index;
        return place < 0 || place >= length ? undefined : this.#items[(this.#oldest + place) % length];
    }

    *[Symbol.iterator]() {
        for (let index = 0; index < this.#items.length; index += 1) {
            yield this.at(index);
        }
    }

    clone() {
        const copy = new History(this.limit);
        copy.#items = this.#items.slice();
        copy.#oldest = this.#oldest;
        return copy;
    }
}
