"""What the programs have in common: the selectors loop, and how they end."""

import selectors
import sys
import traceback

from message import Violation

# Nothing that these programs wait for takes longer, unless something is wrong.
PATIENCE = 20


def select(selector):
    """What is ready, for which nobody may let the program wait long."""
    events = selector.select(timeout=PATIENCE)
    if not events:
        raise Violation(f"nothing happened for {PATIENCE} s")
    return events


def serve(selector, listener, connections, accept, service):
    """Accepts as many connections as told, and serves them until all are gone."""
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ, data=None)
    print(f"Listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
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
