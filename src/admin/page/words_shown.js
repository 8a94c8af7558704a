// Explanations of words, on hover and on focus. Escape hides them.

import { element } from "#elements";
import { WORDS } from "#words";

/** How long an explanation stays after the pointer has left, so that its link can be reached, in milliseconds. */
const STAYS = 300;

export function explainWords() {
    const about = document.getElementById("about");
    let shown = null;
    let leaving = 0;

    const hide = () => {
        about.hidden = true;
        shown?.removeAttribute("aria-describedby");
        shown = null;
    };
    const show = (target) => {
        clearTimeout(leaving);
        if (target === shown) {
            return;
        }
        hide();
        const word = WORDS[target.dataset.word];
        if (!word) {
            return;
        }
        shown = target;
        target.setAttribute("aria-describedby", "about");
        about.replaceChildren(
            element("b", {}, target.dataset.word),
            ` ${word.text} `,
            element("a", { href: word.link, target: "_blank", rel: "noopener noreferrer" }, "Documentation"),
        );
        about.hidden = false;
        place(about, target.getBoundingClientRect());
    };
    const leave = () => {
        clearTimeout(leaving);
        leaving = setTimeout(hide, STAYS);
    };

    document.addEventListener("pointerover", (event) => {
        const target = event.target.closest?.(".word");
        if (target) {
            show(target);
        } else if (event.target.closest?.("#about")) {
            clearTimeout(leaving);
        } else if (shown) {
            leave();
        }
    });
    document.addEventListener("focusin", (event) => {
        const target = event.target.closest?.(".word");
        if (target) {
            show(target);
        } else if (!event.target.closest?.("#about")) {
            hide();
        }
    });
    return { hide, isShown: () => shown !== null };
}

/** Places a box below a rectangle, or above it if there is no room. */
function place(box, at) {
    const { offsetWidth: width, offsetHeight: height } = box;
    const left = Math.min(Math.max(8, at.left), innerWidth - width - 8);
    const isBelow = at.bottom + height + 12 < innerHeight;
    box.style.left = `${left}px`;
    box.style.top = `${isBelow ? at.bottom + 6 : Math.max(8, at.top - height - 6)}px`;
}
