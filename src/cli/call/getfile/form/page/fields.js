// The form: its fields, the errors beside them, and the choice where a part of the file is here already.

import { setAttribute, setText } from "#elements";
import { bytes } from "#format";

const FIELDS = ["server", "port", "file", "folder"];

const byId = (id) => document.getElementById(id);

export class Form {
    #start;
    /** Counts the requests, so that a reply that comes late is of no effect. */
    #asked = 0;

    /** `start` is called with the fields, and returns a status and a reply. */
    constructor(start) {
        this.#start = start;
        byId("form").addEventListener("submit", (submitted) => {
            submitted.preventDefault();
            this.#submit({});
        });
        byId("begun-resume").addEventListener("click", () => this.#submit({ resume: true }));
        byId("begun-over").addEventListener("click", () => this.#submit({ resume: false }));
        for (const field of FIELDS) {
            byId(field).addEventListener("input", () => {
                this.#show(field, null);
                this.#show("form", null);
                byId("begun").hidden = true;
            });
        }
    }

    get values() {
        return Object.fromEntries(FIELDS.map((field) => [field, byId(field).value]));
    }

    /** Whether the form still has the fields of a download. */
    hasFieldsOf(download) {
        const { values } = this;
        return FIELDS.every((field) => values[field] === download[field]);
    }

    /** Takes over the fields of a download, and its error. */
    edit(download) {
        for (const field of FIELDS) {
            byId(field).value = download[field];
        }
        byId("begun").hidden = true;
        this.showErrors(download.field ? { [download.field]: download.why } : {});
        if (!download.field) {
            byId("file").focus();
        }
    }

    /** Shows errors, each beside its field, and goes to the first. */
    showErrors(errors, { focus = true } = {}) {
        for (const field of [...FIELDS, "form"]) {
            this.#show(field, errors[field] ?? null);
        }
        const first = FIELDS.find((field) => errors[field]);
        if (first && focus) {
            byId(first).focus();
        }
    }

    #show(field, why) {
        const error = byId(`${field}-error`);
        setText(error, why ?? "");
        error.hidden = !why;
        if (field !== "form") {
            setAttribute(byId(field), "aria-invalid", why ? "true" : null);
        }
    }

    async #submit(choice) {
        const asked = (this.#asked += 1);
        byId("begun").hidden = true;
        this.showErrors({});
        const { reply } = await this.#start({ ...this.values, ...choice });
        if (asked !== this.#asked) {
            return;
        }
        if (reply.begun) {
            setText(byId("begun-text"), `${bytes(reply.begun)} of it are here from an earlier transfer.`);
            byId("begun").hidden = false;
            byId("begun-resume").focus();
            return;
        }
        this.showErrors(reply.errors ?? {});
        if (!reply.errors) {
            // The next file is most likely from the same server.
            byId("file").focus();
            byId("file").select();
        }
    }
}
