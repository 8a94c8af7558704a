// The list of downloads, the newest first.

import { setText } from "#elements";
import { count } from "#format";
import { Entry, nameOf } from "#entry";

const byId = (id) => document.getElementById(id);

/** The announcement of a change for screen readers, if there is one. */
function news(before, download) {
    if (!before || before.state === download.state) {
        return null;
    }
    const name = nameOf(download);
    const words = {
        done: `${name} is done`,
        cancelled: `${name} is cancelled`,
        failed: `${name} failed: ${download.why}`,
    };
    return words[download.state] ?? null;
}

export class List {
    #entries = new Map();
    #act;

    constructor(act) {
        this.#act = act;
    }

    /** Shows the entries that have changed, and drops those whose numbers are not in `all`. */
    update({ all, entries }) {
        const list = byId("downloads-list");
        for (const download of entries) {
            let entry = this.#entries.get(download.id);
            if (!entry) {
                entry = new Entry(this.#act);
                this.#entries.set(download.id, entry);
                list.prepend(entry.element);
            }
            const said = news(entry.download, download);
            entry.update(download);
            if (said) {
                setText(byId("news"), said);
            }
        }
        const numbers = new Set(all);
        for (const [id, entry] of this.#entries) {
            if (!numbers.has(id)) {
                this.#drop(id, entry);
            }
        }
        this.#count();
    }

    #drop(id, entry) {
        const hadFocus = entry.element.contains(document.activeElement);
        entry.element.remove();
        this.#entries.delete(id);
        if (hadFocus) {
            byId("downloads").focus();
        }
    }

    #count() {
        const downloads = [...this.#entries.values()].map(({ download }) => download);
        const ended = downloads.filter(({ state }) => ["done", "failed", "cancelled"].includes(state)).length;
        const running = downloads.length - ended;
        const text = running > 0 ? `${count(running, "download")} running` : "";
        setText(byId("downloads-count"), text);
        byId("downloads-none").hidden = downloads.length > 0;
    }
}
