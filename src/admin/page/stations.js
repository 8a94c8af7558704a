// The stations of the loop, and the station at which each event happens.

export const STATIONS = ["select", "dispatch", "run", "accept", "timers"];

const AT = new Map([
    ["turn_begun", "dispatch"],
    ["selected", "dispatch"],
    ["woken", "dispatch"],
    ["accepted", "accept"],
    ["refused", "accept"],
    ["missed", "accept"],
    ["accepting_paused", "accept"],
    ["accepting_resumed", "accept"],
    ["timer_fired", "timers"],
    ["turn_ended", "select"],
    ["reloaded", "select"],
    ["connection_is", "select"],
    ["loop_is", "select"],
]);

/** The station of an event: most happen while a connection runs. */
export function stationOf(event) {
    return AT.get(event.event) ?? (event.connection === undefined ? "select" : "run");
}
