// Figures as people read them.

const whole = new Intl.NumberFormat("en");

/** 8213 → "8,213". */
export function number(value) {
    return whole.format(value);
}

/** 1, "byte" → "1 byte"; 3, "byte" → "3 bytes". */
export function count(value, noun) {
    return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

function rounded(value) {
    return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** A value without zeros at the end of its fraction. */
function short(value) {
    const text = rounded(value);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** A duration: 0.402 → "402 ms". */
export function seconds(value) {
    if (value === null || value === undefined) {
        return "–";
    }
    if (value < 0) {
        return `−${seconds(-value)}`;
    }
    if (value === 0) {
        return "0 s";
    }
    if (value < 0.9995e-3) {
        return `${short(value * 1e6)} µs`;
    }
    if (value < 0.9995) {
        return `${short(value * 1e3)} ms`;
    }
    if (value < 119.5) {
        return `${short(value)} s`;
    }
    const all = Math.round(value);
    if (all < 3600) {
        return `${Math.floor(all / 60)} min ${all % 60} s`;
    }
    return `${Math.floor(all / 3600)} h ${Math.floor((all % 3600) / 60)} min`;
}

/** A duration that is watched as it runs, without digits that flicker: 58.93 → "59 s". */
export function ticking(value) {
    if (value >= 9.95) {
        return seconds(Math.round(value));
    }
    if (value >= 0.95) {
        return `${value.toFixed(1)} s`;
    }
    return `${value >= 0.1 ? Math.round(value * 10) * 100 : Math.ceil(value * 1000)} ms`;
}

/** A number of bytes; `null` is more than can be counted. */
export function bytes(value) {
    if (value === null || value === undefined) {
        return "∞";
    }
    if (value < 1024) {
        return `${value} B`;
    }
    const units = ["KiB", "MiB", "GiB", "TiB"];
    let scaled = value / 1024;
    let unit = 0;
    while (scaled >= 1023.5 && unit < units.length - 1) {
        scaled /= 1024;
        unit += 1;
    }
    return `${short(scaled)} ${units[unit]}`;
}
