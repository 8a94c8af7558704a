"""A client that sends until it would have to wait, or a few bytes, and then stays or goes.

It prints its address and how much was taken, and at the end how the connection ended.
"""

import argparse
import select
import socket
import struct

from loop import PATIENCE, run
from message import Violation

# If nothing is taken for this long, the buffers are full.
SETTLED = 0.2


def send_until_blocked(connection):
    """Sends as much as is taken, and then whatever is taken a little later, as the buffers grow.

    Returns how much that was, and whether the connection was reset meanwhile, by a server that holds connections for less time.
    """
    connection.setblocking(False)
    count = 0
    while True:
        try:
            count += connection.send(bytes(1 << 16))
        except BlockingIOError:
            if not select.select([], [connection], [], SETTLED)[1]:
                return count, False
        except ConnectionResetError:
            return count, True


def how_it_ends(connection):
    connection.settimeout(PATIENCE)
    try:
        answer = connection.recv(1)
    except ConnectionResetError:
        return "reset"
    if answer:
        raise Violation(f"a sink has answered {answer!r}")
    return "the end"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--send", help="send this, not as much as goes")
    parser.add_argument("--then", choices=["stay", "end", "close", "reset"], default="stay")
    options = parser.parse_args()

    with socket.create_connection((options.host, options.port), timeout=PATIENCE) as connection:
        host, port = connection.getsockname()[:2]
        print(f"{host}:{port}", flush=True)
        if options.send is None:
            count, was_reset = send_until_blocked(connection)
        else:
            connection.sendall(options.send.encode())
            count, was_reset = len(options.send), False
        print(f"{count} bytes", flush=True)
        if options.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if options.then == "end":
            connection.shutdown(socket.SHUT_WR)
        if options.then in ("stay", "end"):
            print("reset" if was_reset else how_it_ends(connection))


if __name__ == "__main__":
    run(main)
