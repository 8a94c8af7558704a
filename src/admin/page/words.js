// The words of the page, each with an explanation and the part of the documentation that has more.

const DOCS = "https://docs.rs/multiconn/latest/multiconn/";

const page = (path) => DOCS + path;

export const WORDS = {
    "event loop": {
        text: "One thread that waits for all connections at once, and runs each for a short time when it is ready. A handler that computes for long makes all others wait.",
        link: page("reactor/index.html"),
    },
    turn: {
        text: "One round of the loop: select, dispatch, run, accept, timers. The numbers begin with 1.",
        link: page("reactor/index.html"),
    },
    select: {
        text: "The loop waits in the system call, such as epoll_wait, until a connection is ready, a timer is due, or something wakes it.",
        link: page("selector/index.html"),
    },
    dispatch: {
        text: "The loop notes which connections the system has reported as ready, and puts them into the runnable queue.",
        link: page("reactor/index.html"),
    },
    run: {
        text: "The runnable connections read, call their sessions, and write, each with a budget.",
        link: page("reactor/index.html"),
    },
    accept: {
        text: "The loop takes new connections off the backlog. Each runs once at once, since its first request has often arrived.",
        link: page("reactor/index.html"),
    },
    timers: {
        text: "Connections whose deadlines have passed run, and close, or send an error.",
        link: page("reactor/index.html"),
    },
    runnable: {
        text: "Connections that are ready and have not run yet.",
        link: page("reactor/index.html"),
    },
    "events per turn": {
        text: "How many connections and listeners the system reported per turn, on average over the last second.",
        link: page("trace/enum.Event.html"),
    },
    "turns a second": {
        text: "How often the loop went round in the last second of the trace.",
        link: page("trace/enum.Event.html"),
    },
    messages: {
        text: "Requests that were read completely. Protocols without messages, such as the echo, count none.",
        link: page("message/index.html"),
    },
    protoheader: {
        text: "The first two bytes of a message: the length of the JSON header.",
        link: page("message/index.html"),
    },
    "JSON header": {
        text: "The second part of a message: a JSON object with the type, the encoding and the length of the content.",
        link: page("message/index.html"),
    },
    content: {
        text: "The third part of a message: the request itself.",
        link: page("message/index.html"),
    },
    response: {
        text: "The request is read. Its reply is being made, or is on its way.",
        link: page("exchange/index.html"),
    },
    interest: {
        text: "What the system is asked to report for a connection: r for readable, w for writable, h for a hang-up, e for errors only.",
        link: page("selector/struct.Interest.html"),
    },
    input: {
        text: "Bytes that were received and are not used yet, such as half a message.",
        link: page("session/index.html"),
    },
    output: {
        text: "Bytes of replies that the system has not taken yet. They wait in our memory.",
        link: page("session/index.html"),
    },
    "Recv-Q": {
        text: "Bytes that the kernel has received and that the server has not read. Known only from samples.",
        link: page("queues/index.html"),
    },
    "Send-Q": {
        text: "Bytes that the kernel has taken and that the peer has not acknowledged. Known only from samples.",
        link: page("queues/index.html"),
    },
    timer: {
        text: "When the loop next checks this connection's deadline. Timers are lazy: a deadline that moves on leaves its timer, which is set again when it fires.",
        link: page("reactor/index.html"),
    },
    seen: {
        text: "The age of the last event or sample of this connection. What is shown may have changed since.",
        link: page("trace/index.html"),
    },
    stage: {
        text: "Where a connection is between opening and closing: connecting, receiving, responding, draining, lingering, closed.",
        link: page("exchange/enum.Stage.html"),
    },
    receiving: {
        text: "The session waits for a request, or for the rest of one.",
        link: page("exchange/enum.Stage.html"),
    },
    responding: {
        text: "The session has produced output, or works. If the output reaches its high-water mark, nothing is read until the peer has accepted some.",
        link: page("exchange/enum.Stage.html"),
    },
    draining: {
        text: "The session is done, and the rest of its output is being sent.",
        link: page("exchange/enum.Stage.html"),
    },
    lingering: {
        text: "Our side has ended. Input is read and dropped until the peer ends its side, so that the last reply arrives.",
        link: page("exchange/enum.Stage.html"),
    },
    peer: { text: "The program at the other end of the connection.", link: page("session/struct.Peer.html") },
    kernel: {
        text: "The operating system: its buffers and its selector stand between peer and session.",
        link: page("selector/index.html"),
    },
    session: {
        text: "The protocol's side of one connection: it turns input into output.",
        link: page("session/trait.Session.html"),
    },
    "stalled turn": {
        text: "A turn of more than 10 ms. All connections wait for its end.",
        link: page("reactor/index.html"),
    },
    "starved connection": {
        text: "A connection has been ready for more than 100 ms and 3 turns, and has not run.",
        link: page("reactor/index.html"),
    },
    "peer that never reads": {
        text: "Output has been waiting for more than 2 s, and the system takes none of it.",
        link: page("exchange/index.html"),
    },
    "dripping peer": {
        text: "A message has been on its way for more than 1 s, in 5 reads or more of at most 16 bytes on average.",
        link: page("message/index.html"),
    },
    "accepting paused": {
        text: "The server takes no new connections, since it has no descriptors or places for them. They wait in the backlog.",
        link: page("reactor/index.html"),
    },
    "interest that flaps": {
        text: "A connection's interest changes 10 times or more within a second. Each change is a system call.",
        link: page("selector/struct.Interest.html"),
    },
    "wake-ups for nothing": {
        text: "In the last second, 20 turns or runs or more found nothing to do.",
        link: page("selector/index.html"),
    },
    "turns skipped": {
        text: "More happens than the server tells in detail: about 5,000 events a second. Figures of connections are from samples then, and stories have gaps.",
        link: page("trace/json/index.html"),
    },
    "lines dropped": {
        text: "Events came faster than they could be written or sent, and some are missing.",
        link: page("trace/json/index.html"),
    },
};
