// The page: it takes events from a source, and shows the state at one position of them.

import { Connections } from "#connections";
import { Diagram } from "#diagram";
import { element, setAttribute, setText } from "#elements";
import { embedded, follow, fromFile } from "#events";
import { Figures } from "#figures";
import { FindingsList } from "#findings_list";
import { count, number, seconds, ticking } from "#format";
import { listen } from "#keys";
import { Player, SPEEDS } from "#player";
import { Ring } from "#ring";
import { Strip } from "#strip";
import { Tape } from "#tape";
import { explainWords } from "#words_shown";

/** The number of events that are kept: of a server 20 seconds at 5,000 a second, of a file all but the largest. */
const LIVE = 100_000;
const RECORDED = 1_000_000;

/** Findings and figures change at most this often, in milliseconds. */
const SLOWLY = 250;

/** The connection to the server, in words, with its tone. */
const LINKS = {
    connecting: ["connecting", "quiet"],
    live: ["live", "live"],
    lost: ["connection lost, trying again", "bad"],
    ended: ["the server has ended the connection", "bad"],
};

/** Without events for this many seconds, the loop is waiting. */
const WAITS = 0.05;

const byId = (id) => document.getElementById(id);

class Page {
    #player = new Player(new Tape(1), false);
    #source = null;
    /** What the page says of its connection to the server. */
    #link = null;
    /** When the server was started, as its trace says. */
    #started = null;
    /** When the last event came, by the browser's clock. */
    #arrivedAt = 0;
    #lastFrame = null;
    #shownSlowly = -Infinity;
    #shownModel = null;
    #ring = new Ring();
    #strip = new Strip();
    #figures = new Figures();
    #findings = new FindingsList((key) => this.#open(key));
    #connections = new Connections((key) => this.#open(key));
    #diagram = new Diagram((position) => {
        this.#player.pause();
        this.#player.seek(position);
    });
    #words = explainWords();

    constructor() {
        this.#controls();
        const story = embedded(document);
        if (story) {
            this.#record(story, document.title.replace(/^multiconn: /, ""));
        } else if (location.protocol.startsWith("http")) {
            this.#live();
        } else {
            this.#status("no events: open a trace, or drop one here", "quiet");
        }
        requestAnimationFrame((now) => this.#frame(now));
    }

    /** Shows recorded events. */
    #record({ events, broken }, name) {
        this.#source?.close();
        this.#source = this.#link = null;
        const tape = new Tape(RECORDED);
        for (const event of events) {
            tape.push(event);
        }
        this.#replace(new Player(tape, false));
        const header = tape.at(tape.first);
        if (header?.trace !== undefined) {
            this.#player.seek(tape.first + 1);
        }
        const parts = [name, count(events.length, "event")];
        if (this.#player.model.isVirtual) {
            parts.push("virtual time");
        }
        if (broken > 0) {
            parts.push(`${count(broken, "line")} can't be read`);
        }
        this.#status(parts.join(" · "), "recorded");
        if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
            this.#player.seek(tape.end);
        } else {
            this.#player.isPlaying = events.length > 0;
        }
    }

    /** Shows what the server does that the page is from. */
    #live() {
        this.#started = null;
        this.#replace(new Player(new Tape(LIVE), true));
        this.#source = follow({
            receive: (events) => {
                events.forEach((event) => this.#receive(event));
                this.#arrivedAt = performance.now();
            },
            changed: (state) => {
                this.#link = LINKS[state];
                this.#status(...this.#link);
            },
        });
    }

    #receive(event) {
        if (event.trace !== undefined) {
            // A server that was started again begins a new story.
            if (this.#started !== null && this.#started !== event.started) {
                this.#replace(new Player(new Tape(LIVE), true));
            }
            this.#started = event.started;
        }
        this.#player.tape.push(event);
    }

    #replace(player) {
        this.#diagram.close();
        this.#findings.clear();
        this.#player = player;
    }

    #status(text, tone) {
        setText(byId("source-text"), text);
        byId("source").dataset.tone = tone;
    }

    #open(key) {
        if (!key) {
            return;
        }
        this.#connections.select(key);
        this.#diagram.open(key, this.#player.tape);
    }

    #controls() {
        const actions = {
            toggle: () => this.#player.toggle(),
            back: () => this.#player.step(-1),
            on: () => this.#player.step(1),
            turnBack: () => this.#player.stepTurn(-1),
            turnOn: () => this.#player.stepTurn(1),
            slower: () => this.#player.change(-1),
            faster: () => this.#player.change(1),
            start: () => {
                this.#player.pause();
                this.#player.seek(this.#player.tape.first);
            },
            end: () => {
                this.#player.seek(this.#player.tape.end);
                this.#player.isPlaying = this.#player.isLive;
            },
            busiest: () => this.#connections.order("busiest"),
            oldest: () => this.#connections.order("oldest"),
            stuck: () => this.#connections.order("stuck"),
            connections: () => this.#connections.focus(),
            close: () => {
                if (this.#words.isShown()) {
                    this.#words.hide();
                } else if (this.#diagram.key !== null) {
                    this.#diagram.close();
                    this.#connections.focus();
                }
            },
        };
        listen(actions);
        const buttons = {
            "to-start": "start",
            "step-back": "back",
            play: "toggle",
            step: "on",
            "to-end": "end",
            "close-story": "close",
        };
        for (const [id, action] of Object.entries(buttons)) {
            byId(id).addEventListener("click", actions[action]);
        }
        const speed = byId("speed");
        for (const each of SPEEDS) {
            speed.append(
                element("option", { value: each }, each === 0 ? "as it happened" : `${number(each)} events/s`),
            );
        }
        speed.addEventListener("change", () => {
            this.#player.speed = Number(speed.value);
        });
        byId("position").addEventListener("input", (event) => {
            this.#player.pause();
            this.#player.seek(Number(event.target.value));
        });
        byId("open").addEventListener("change", (event) => this.#openFile(event.target.files[0]));
        this.#drops();
    }

    async #openFile(file) {
        if (file) {
            this.#status(`reading ${file.name}`, "quiet");
            this.#record(await fromFile(file), file.name);
        }
    }

    #drops() {
        const drop = byId("drop");
        document.addEventListener("dragover", (event) => {
            event.preventDefault();
            drop.hidden = false;
        });
        document.addEventListener("dragleave", (event) => {
            drop.hidden = event.relatedTarget === null;
        });
        document.addEventListener("drop", (event) => {
            event.preventDefault();
            drop.hidden = true;
            this.#openFile(event.dataTransfer.files[0]);
        });
    }

    /** The time of the trace, which goes on while nothing happens on a live server. */
    #now() {
        const player = this.#player;
        const passed = player.isLive && player.isPlaying ? (performance.now() - this.#arrivedAt) / 1000 : 0;
        return player.now + (player.model.now > 0 ? passed : 0);
    }

    #frame(frame) {
        // A page that was hidden goes on where it is.
        const elapsed = Math.min(0.25, (frame - (this.#lastFrame ?? frame)) / 1000);
        this.#lastFrame = frame;
        const player = this.#player;
        player.advance(elapsed);
        const now = this.#now();
        const { model } = player;
        if (model !== this.#shownModel) {
            // After a jump, findings of another time are of no use.
            this.#findings.clear();
            this.#shownModel = model;
            this.#shownSlowly = -Infinity;
        }
        this.#ring.show(model, this.#link === LINKS.live && player.isPlaying && now - model.now > WAITS);
        this.#strip.show(model.turns);
        this.#connections.show(model, now);
        this.#diagram.show(model, now, player.position);
        this.#transport();
        const isStale = player.isLive && this.#link !== LINKS.live;
        setAttribute(document.body, "data-stale", String(isStale));
        if (isStale && model.now > 0) {
            this.#status(`${this.#link[0]}; the last event came ${ticking(now - model.now)} ago`, this.#link[1]);
        }
        if (frame - this.#shownSlowly > SLOWLY || !player.isPlaying) {
            this.#shownSlowly = frame;
            this.#figures.show(model, now);
            this.#findings.show(model, now);
        }
        requestAnimationFrame((next) => this.#frame(next));
    }

    #transport() {
        const player = this.#player;
        const { tape } = player;
        setAttribute(document.body, "data-playing", String(player.isPlaying));
        setAttribute(document.body, "data-live", String(player.isLive));
        setAttribute(byId("play"), "aria-label", player.isPlaying ? "Pause" : "Play");
        const position = byId("position");
        position.min = tape.first;
        position.max = tape.end;
        position.value = player.position;
        setAttribute(position, "aria-valuetext", `event ${player.position} of ${tape.end}`);
        const at =
            tape.end === 0 ? "" : `${seconds(player.model.now)} · ${number(player.position)}/${number(tape.end)}`;
        setText(byId("time"), player.isLive && player.isPlaying ? seconds(Math.floor(this.#now())) : at);
        const speed = String(player.speed);
        if (byId("speed").value !== speed) {
            byId("speed").value = speed;
        }
    }
}

new Page();
