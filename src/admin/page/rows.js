// A list of which only the rows in sight have elements, however long it is.

/** Rows beyond the edges that have elements as well, so that scrolling shows no gaps. */
const MARGIN = 4;

export class Rows {
    #box;
    #space;
    #make;
    #fill;
    #made = [];
    #length = 0;
    #selected = -1;
    #height = 0;
    #top = 0;
    #room = 0;

    /** `make` makes the element of a row, and `fill(element, index)` shows the item of an index in it. */
    constructor(box, { make, fill, choose, open, resized = () => {} }) {
        this.#box = box;
        this.#make = make;
        this.#fill = fill;
        this.#space = document.createElement("div");
        this.#space.className = "space";
        this.#space.setAttribute("role", "presentation");
        box.append(this.#space);
        box.addEventListener("keydown", (event) => this.#key(event, choose, open));
        box.addEventListener("click", (event) => {
            const row = event.target.closest("[role=option]");
            if (row && box.contains(row)) {
                choose(row.index);
                open(row.index);
            }
        });
        box.addEventListener("scroll", () => {
            this.#top = box.scrollTop;
        });
        new ResizeObserver(() => {
            this.measure();
            resized();
        }).observe(box);
        this.measure();
    }

    /** Reads the height of a row from the style sheet. */
    measure() {
        const height = Number.parseFloat(getComputedStyle(this.#box).getPropertyValue("--row")) || 40;
        if (height !== this.#height) {
            this.#height = height;
            this.#space.style.height = `${this.#length * height}px`;
        }
        this.#room = this.#box.clientHeight;
        this.#top = this.#box.scrollTop;
    }

    /** Shows a list of this length, of which one is selected. */
    show(length, selected) {
        if (length !== this.#length) {
            this.#length = length;
            this.#space.style.height = `${length * this.#height}px`;
        }
        this.#selected = selected;
        const first = Math.max(0, Math.floor(this.#top / this.#height) - MARGIN);
        const last = Math.min(length, Math.ceil((this.#top + this.#room) / this.#height) + MARGIN);
        const needed = Math.max(0, last - first);
        while (this.#made.length < needed) {
            const row = this.#make();
            row.setAttribute("role", "option");
            row.id = `${this.#box.id}-${this.#made.length}`;
            this.#made.push(row);
            this.#space.append(row);
        }
        let active = null;
        this.#made.forEach((row, place) => {
            const index = first + place;
            row.hidden = place >= needed;
            if (row.hidden) {
                return;
            }
            if (row.index !== index || row.top !== index * this.#height) {
                row.index = index;
                row.top = index * this.#height;
                row.style.transform = `translateY(${row.top}px)`;
                row.setAttribute("aria-posinset", index + 1);
            }
            row.setAttribute("aria-setsize", length);
            row.setAttribute("aria-selected", index === selected);
            if (index === selected) {
                active = row.id;
            }
            this.#fill(row, index);
        });
        if (active) {
            this.#box.setAttribute("aria-activedescendant", active);
        } else {
            this.#box.removeAttribute("aria-activedescendant");
        }
    }

    /** Scrolls until a row is in sight, with this many rows before and after it. */
    reveal(index, around = 0) {
        const top = (index - around) * this.#height;
        const bottom = (index + 1 + around) * this.#height;
        if (top < this.#box.scrollTop) {
            this.#box.scrollTop = top;
        } else if (bottom > this.#box.scrollTop + this.#room) {
            this.#box.scrollTop = bottom - this.#room;
        }
        this.#top = this.#box.scrollTop;
    }

    #key(event, choose, open) {
        const page = Math.max(1, Math.floor(this.#room / this.#height) - 1);
        const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
        const by = moves[event.key];
        if (by !== undefined && this.#length > 0) {
            const index = Math.min(this.#length - 1, Math.max(0, this.#selected + by));
            choose(index);
            this.reveal(index);
        } else if (event.key === "Enter" && this.#selected >= 0) {
            open(this.#selected);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }
}
