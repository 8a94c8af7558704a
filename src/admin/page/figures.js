// The figures of the loop, beside its ring.

import { element, setText, word } from "#elements";
import { bytes, number, seconds } from "#format";

const rate = (value) => (value >= 100 || value === Math.round(value) ? number(Math.round(value)) : value.toFixed(1));

const FIGURES = [
    ["turns a second", (model, now) => number(Math.round(model.rates.turns.at(now) + model.rates.skipped.at(now)))],
    [
        "events per turn",
        (model, now) => {
            const turns = model.rates.turns.at(now);
            return turns === 0 ? "–" : rate(model.rates.events.at(now) / turns);
        },
    ],
    ["runnable", (model) => number(runnable(model))],
    ["timers", (model) => number(model.sampled("timers") ?? timers(model))],
    ["messages", (model) => (model.messages === 0 && !countsMessages(model) ? "–" : number(model.messages))],
    ["received", (model) => bytes(model.bytesIn)],
    ["sent", (model) => bytes(model.bytesOut)],
    ["refused", (model) => number(model.refused)],
];

/** Whether the protocol has messages, as far as samples say. */
function countsMessages(model) {
    return model.sampledAt === null || model.sampled("messages") !== undefined;
}

function runnable(model) {
    let all = 0;
    for (const connection of model.connections.values()) {
        all += connection.readySince === null ? 0 : 1;
    }
    return all;
}

function timers(model) {
    let all = 0;
    for (const connection of model.connections.values()) {
        all += connection.deadline === null ? 0 : 1;
    }
    return all;
}

export class Figures {
    #values = [];
    #sampled;

    constructor() {
        const list = document.getElementById("figures");
        for (const [name] of FIGURES) {
            const value = element("dd", { class: "figure" });
            const hasWord = !["received", "sent", "refused"].includes(name);
            list.append(element("div", {}, element("dt", {}, hasWord ? word(name) : name), value));
            this.#values.push(value);
        }
        this.#sampled = element("p", { class: "quiet sampled" });
        list.after(this.#sampled);
    }

    show(model, now) {
        FIGURES.forEach(([, value], index) => setText(this.#values[index], value(model, now)));
        const notes = [];
        if (model.sampledAt !== null) {
            notes.push(`sampled ${seconds(Math.max(0, now - model.sampledAt))} ago`);
        }
        if (model.hasThreads) {
            notes.push(`the turns are those of ${model.thread ?? "the first thread"}`);
        }
        if (model.stopping) {
            notes.push("the server is stopping");
        }
        setText(this.#sampled, notes.join(" · "));
    }
}
