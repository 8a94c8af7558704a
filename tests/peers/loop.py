"""Code shared by the programs: listening, the selectors loop, and the end of a program."""

import selectors
import socket
import sys
import traceback

from message import Violation

# Nothing that these programs wait for takes longer, unless something is wrong.
PATIENCE = 20


def listen(host="127.0.0.1"):
    """Listens on a free port. Waiting for a connection fails after PATIENCE."""
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.settimeout(PATIENCE)
    return listener


def announce(*listeners):
    """Prints where they listen: all at once, for whoever waits for that."""
    lines = []
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        lines.append(f"Listening on [{host}]:{port}\n" if ":" in host else f"Listening on {host}:{port}\n")
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def select(selector):
    """The ready events. Fails if there are none for too long."""
    events = selector.select(timeout=PATIENCE)
    if not events:
        raise Violation(f"nothing happened for {PATIENCE} s")
    return events


def serve(selector, listener, connections, accept, service):
    """Accepts as many connections as told, and serves them until all are gone."""
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ, data=None)
    announce(listener)
    while connections or len(selector.get_map()) > 1:
        for key, mask in select(selector):
            if key.data is not None:
                service(key, mask)
            elif connections == 0:
                raise Violation("one connection too many")
            else:
                accept()
                connections -= 1


def run(main):
    """Runs a program: anything that is not as it should be is printed, and exit status 1."""
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.exit(1)
