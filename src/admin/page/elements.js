// Making elements. Text is always text, whatever a peer has put into it.

const SVG = "http://www.w3.org/2000/svg";

/** Sets a property only if it changes: a write may cost a layout. */
export function setText(target, text) {
    if (target.textContent !== text) {
        target.textContent = text;
    }
}

export function setAttribute(target, name, value) {
    if (value === null || value === undefined || value === false) {
        target.removeAttribute(name);
    } else if (target.getAttribute(name) !== String(value)) {
        target.setAttribute(name, String(value));
    }
}

/** Sets a custom property of a style. */
export function setVariable(target, name, value) {
    if (target.style.getPropertyValue(name) !== value) {
        target.style.setProperty(name, value);
    }
}

function filled(target, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        setAttribute(target, name, value === true ? "" : value);
    }
    target.append(...children);
    return target;
}

/** Makes an element with attributes and children, which are elements or texts. */
export function element(tag, attributes = {}, ...children) {
    return filled(document.createElement(tag), attributes, children);
}

/** The same for a graphic. */
export function graphic(tag, attributes = {}, ...children) {
    return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** A word that explains itself on hover and on focus. */
export function word(text, about = text) {
    return element("span", { class: "word", tabindex: "0", "data-word": about }, text);
}
