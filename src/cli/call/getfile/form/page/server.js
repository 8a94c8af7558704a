// Requests to the program that serves the page, and its reports.

/** Asks for a change. Returns the status and the reply; a status of 0 means that there was none. */
export async function post(action, body) {
    const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    try {
        const response = await fetch(action, options);
        const isJson = response.headers.get("content-type") === "application/json";
        const reply = isJson ? await response.json() : { errors: { form: (await response.text()).trim() } };
        return { status: response.status, reply };
    } catch {
        return { status: 0, reply: { errors: { form: "multiconn can't be reached; has it ended?" } } };
    }
}

/**
 * Follows the downloads. `received` is called with the entries that have changed and the numbers of all, `changed` with
 * "live", "lost" or "ended".
 */
export function follow({ received, changed }) {
    const source = new EventSource("events");
    source.onopen = () => changed("live");
    // The browser tries again by itself, unless the server has refused.
    source.onerror = () => changed(source.readyState === EventSource.CLOSED ? "ended" : "lost");
    source.onmessage = (message) => received(JSON.parse(message.data));
}
