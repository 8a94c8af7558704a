// The sources of events: lines that are embedded in the document, a file, or a server.

/** Parses lines of a trace. Lines that are not JSON objects, such as half a line at the end, are counted. */
export function parse(text) {
    const events = [];
    let broken = 0;
    for (const line of text.split("\n")) {
        if (line.trim() === "") {
            continue;
        }
        try {
            const event = JSON.parse(line);
            if (event === null || typeof event !== "object" || Array.isArray(event)) {
                throw new TypeError("not an object");
            }
            events.push(event);
        } catch {
            broken += 1;
        }
    }
    return { events, broken };
}

/** The events that are embedded in the document, if there are any. */
export function embedded(document) {
    const story = document.getElementById("story");
    return story && parse(story.textContent);
}

/** The events of a file. */
export async function fromFile(file) {
    return parse(await file.text());
}

/**
 * Follows a server's `/events`. `receive` is called with lists of events, and `changed` with "connecting", "live",
 * "lost" or "ended".
 */
export function follow({ receive, changed }) {
    const source = new EventSource("events");
    changed("connecting");
    source.onopen = () => changed("live");
    // The browser tries again by itself, unless the server has refused.
    source.onerror = () => changed(source.readyState === EventSource.CLOSED ? "ended" : "lost");
    source.onmessage = (message) => receive(parse(message.data).events);
    return { close: () => source.close() };
}
