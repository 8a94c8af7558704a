// The findings as a list. Those that are over stay for a while, so that they can be read.

import { element, setAttribute, setText, word } from "#elements";
import { findings } from "#findings";
import { ticking } from "#format";

/** How long a finding stays after it is over, in milliseconds. Stalls are listed for a while anyway. */
const STAYS = 5000;
const GOES = ["stalled turn", "turns skipped", "lines dropped"];

export class FindingsList {
    #list = document.getElementById("findings-list");
    #items = new Map();
    #none = element("li", { class: "none quiet" }, "Nothing stands out.");

    constructor(open) {
        this.#list.append(this.#none);
        this.#list.addEventListener("click", (event) => {
            const button = event.target.closest("button");
            if (button) {
                open(button.dataset.connection);
            }
        });
    }

    show(model, now) {
        const present = performance.now();
        const found = findings(model, now);
        let previous = null;
        for (const finding of found) {
            const item = this.#items.get(finding.key) ?? this.#make(finding);
            item.until = present;
            setText(item.text, finding.text);
            setText(
                item.age,
                finding.age === undefined ? "" : finding.age < 0.5 ? "now" : `${ticking(finding.age)} ago`,
            );
            setAttribute(item.element, "data-over", "false");
            const next = previous ? previous.nextSibling : this.#list.firstChild;
            if (next !== item.element) {
                this.#list.insertBefore(item.element, next);
            }
            previous = item.element;
        }
        for (const [key, item] of this.#items) {
            if (item.until < present) {
                setAttribute(item.element, "data-over", "true");
                setText(item.age, "over");
            }
            if (present - item.until > item.stays) {
                item.element.remove();
                this.#items.delete(key);
            }
        }
        this.#none.hidden = this.#items.size > 0;
    }

    /** Forgets all findings, as after a jump. */
    clear() {
        for (const item of this.#items.values()) {
            item.element.remove();
        }
        this.#items.clear();
    }

    #make(finding) {
        const text = element("span", { class: "text" });
        const age = element("span", { class: "age quiet" });
        const key = finding.connectionKey ?? finding.connection;
        const look =
            key === undefined
                ? []
                : [
                      element(
                          "button",
                          { type: "button", class: "plain", "data-connection": key },
                          `connection ${finding.connection}`,
                      ),
                  ];
        const item = {
            text,
            age,
            stays: finding.isRest || GOES.includes(finding.kind) ? 0 : STAYS,
            element: element(
                "li",
                { "data-kind": finding.kind, "data-rest": finding.isRest ?? false },
                element("span", { class: "kind" }, word(finding.kind), age),
                text,
                ...look,
            ),
        };
        this.#items.set(finding.key, item);
        return item;
    }
}
