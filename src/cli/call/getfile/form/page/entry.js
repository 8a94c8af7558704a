// One download in the list.

import { element, setAttribute, setText, setVariable } from "#elements";
import { bytes, seconds } from "#format";

const LABELS = { server: "Server", port: "Port", file: "File", folder: "Local folder" };

const isRunning = ({ state }) => state === "looking up" || state === "connecting" || state === "receiving";

/** The last name of a path. */
export function nameOf(download) {
    return download.path.slice(download.path.lastIndexOf("/") + 1);
}

/** The state of a download in one line. */
export function told(download) {
    const { state, bytes: got, len, rate, left, kept } = download;
    if (state === "receiving" && len === null && !got) {
        return "waiting for the server";
    }
    const amount = len === null ? bytes(got ?? 0) : `${bytes(got)} of ${bytes(len)}`;
    switch (state) {
        case "looking up":
            return "looking up the server's name";
        case "connecting":
            return "connecting";
        case "receiving": {
            const parts = [amount, `${bytes(Math.round(rate))}/s`];
            if (left !== null && got < len) {
                parts.push(`${seconds(Math.ceil(left))} left`);
            }
            return parts.join(" · ");
        }
        case "done":
            return `done · ${bytes(got)}`;
        case "cancelled":
            return kept === null ? "cancelled" : `cancelled · ${amount}, kept`;
        default:
            return kept === null ? "failed" : `failed · ${amount}, kept`;
    }
}

/** How much of it is here, from 0 to 1, or null where its length is unknown. */
export function share({ state, bytes: got, len }) {
    if (state === "done") {
        return 1;
    }
    return len === null || got === null ? null : len === 0 ? 1 : got / len;
}

function button(text, onclick) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", onclick);
    return made;
}

export class Entry {
    download = null;
    #parts;

    /** `act` is called with the name of an action and the download. */
    constructor(act) {
        const run = (action) => () => act(action, this.download);
        const parts = {
            name: element("h3"),
            from: element("p", { class: "from quiet" }),
            bar: element("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }),
            told: element("p", { class: "told" }),
            where: element("p", { class: "where" }),
            path: element("bdi", { class: "path" }),
            copy: button("Copy path", () => this.#copy()),
            field: element("strong"),
            why: element("span"),
            error: element("p", { class: "error" }),
            cancel: button("Cancel", run("cancel")),
            resume: button("Resume", run("resume")),
            edit: button("Edit", run("edit")),
            remove: button("Remove", run("remove")),
        };
        parts.bar.append(element("span"));
        parts.where.append("in ", parts.path, " ", parts.copy);
        parts.error.append(parts.field, " ", parts.why);
        const actions = element("div", { class: "actions" }, parts.cancel, parts.resume, parts.edit, parts.remove);
        const title = element("div", {}, parts.name, parts.from);
        const { bar, told: line, error, where } = parts;
        this.element = element("li", { class: "download" }, title, bar, line, error, where, actions);
        this.#parts = parts;
    }

    update(download) {
        const parts = this.#parts;
        const { state } = download;
        this.download = download;
        const name = nameOf(download);
        const part = share(download);
        setAttribute(this.element, "data-state", state);
        setText(parts.name, name);
        const from = download.file === name ? download.address : `${download.file} · ${download.address}`;
        setText(parts.from, from);
        // Long ones are cut.
        setAttribute(parts.name, "title", name);
        setAttribute(parts.from, "title", from);
        setAttribute(this.element, "data-length", part === null ? "unknown" : "known");
        setVariable(parts.bar, "--share", String(part ?? 0));
        setAttribute(parts.bar, "aria-label", name);
        setAttribute(parts.bar, "aria-valuenow", part === null ? null : Math.floor(part * 100));
        setText(parts.told, told(download));
        setAttribute(parts.bar, "aria-valuetext", told(download));
        parts.bar.hidden = !isRunning(download) && !part;
        setText(parts.path, download.in ?? "");
        parts.where.hidden = state !== "done";
        setText(parts.field, LABELS[download.field] ? `${LABELS[download.field]}:` : "");
        setText(parts.why, download.why ?? "");
        parts.error.hidden = state !== "failed";
        this.#buttons(download, name);
    }

    #buttons(download, name) {
        const { cancel, resume, edit, remove } = this.#parts;
        const hasStopped = download.state === "failed" || download.state === "cancelled";
        cancel.hidden = !isRunning(download);
        resume.hidden = !hasStopped;
        setText(resume, download.resumes ? "Resume" : "Try again");
        edit.hidden = !hasStopped;
        remove.hidden = isRunning(download);
        for (const each of [cancel, resume, edit, remove]) {
            setAttribute(each, "aria-label", `${each.textContent} ${name}`);
        }
    }

    async #copy() {
        const { copy, path } = this.#parts;
        try {
            await navigator.clipboard.writeText(this.download.in);
            setText(copy, "Copied");
        } catch {
            // Without the permission, the text is ready to be copied by hand.
            getSelection().selectAllChildren(path);
        }
    }
}
