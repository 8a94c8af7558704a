// The keys, and the line that shows them.

import { element } from "#elements";

/** The keys with their meanings. Each action has the key's name in events, and the text on the page. */
const KEYS = [
    { keys: [" "], shown: ["space"], text: "play or pause", action: "toggle" },
    { keys: ["ArrowLeft"], shown: ["←"], text: "", action: "back" },
    { keys: ["ArrowRight"], shown: ["→"], text: "one event back or on", action: "on" },
    { keys: ["ArrowLeft"], isShift: true, shown: ["⇧ ←"], text: "", action: "turnBack" },
    { keys: ["ArrowRight"], isShift: true, shown: ["⇧ →"], text: "one turn", action: "turnOn" },
    { keys: ["-"], shown: ["−"], text: "", action: "slower" },
    { keys: ["+", "="], shown: ["+"], text: "slower or faster", action: "faster" },
    { keys: ["Home"], shown: ["Home"], text: "", action: "start" },
    { keys: ["End"], shown: ["End"], text: "start, or end and live", action: "end" },
    { keys: ["b"], shown: ["b"], text: "", action: "busiest" },
    { keys: ["o"], shown: ["o"], text: "", action: "oldest" },
    { keys: ["s"], shown: ["s"], text: "busiest, oldest or stuck first", action: "stuck" },
    { keys: ["c"], shown: ["c"], text: "connections: ↑ ↓, Enter for the story", action: "connections" },
    { keys: ["Escape"], shown: ["Esc"], text: "close", action: "close" },
];

/** Elements that use keys themselves. */
const OWN = "input:not([type=range]), select, textarea";
const BUTTONS = "button, a, summary";

export function listen(actions) {
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) {
            return;
        }
        const isOwn =
            event.target.matches?.(OWN) || (event.target.matches?.(BUTTONS) && [" ", "Enter"].includes(event.key));
        if (isOwn && event.key !== "Escape") {
            return;
        }
        const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
        const found = KEYS.find(
            (each) =>
                each.keys.includes(key) && (each.isShift ?? false) === (event.shiftKey && key.startsWith("Arrow")),
        );
        if (found) {
            actions[found.action]();
            event.preventDefault();
        }
    });
    for (const { shown, text } of KEYS) {
        const names = shown.map((key) => element("kbd", {}, key));
        document.getElementById("keys").append(...names, text === "" ? " " : element("span", {}, text));
    }
}
