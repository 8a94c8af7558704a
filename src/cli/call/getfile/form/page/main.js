// The page: a form that starts downloads, and the list of them.

import { setAttribute, setText } from "#elements";
import { Form } from "#fields";
import { List } from "#list";
import { follow, post } from "#server";

const byId = (id) => document.getElementById(id);

const SOURCES = {
    live: ["live", "connected"],
    lost: ["bad", "multiconn can't be reached; unfinished files are kept"],
    ended: ["bad", "this address is no longer valid; open the one that multiconn has printed"],
};

/** The download that the form has started last. */
let latest = null;

const form = new Form(async (fields) => {
    const answer = await post("start", fields);
    latest = answer.reply.id ?? null;
    return answer;
});

const list = new List(async (action, download) => {
    if (action === "edit") {
        form.edit(download);
        return;
    }
    const { reply } = await post(action, { id: download.id });
    if (reply.errors) {
        form.showErrors(reply.errors);
    }
});

follow({
    received(update) {
        list.update(update);
        // The error of a running download belongs beside its field, too, while the form is unchanged.
        const failed = update.entries.find(({ id, state }) => id === latest && state === "failed");
        if (failed && form.hasFieldsOf(failed)) {
            form.showErrors({ [failed.field]: failed.why }, { focus: false });
        }
    },
    changed(state) {
        const [tone, text] = SOURCES[state];
        setAttribute(byId("source"), "data-tone", tone);
        setText(byId("source-text"), text);
        setAttribute(document.body, "data-stale", state !== "live");
    },
});
