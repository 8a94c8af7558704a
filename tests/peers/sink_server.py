"""A server that takes one connection and reads nothing, or all of it, or goes away.

It waits until the client is gone, without looking at what it has sent, and prints how it went.
"""

import argparse
import select
import socket
import struct

from loop import PATIENCE, announce, listen, run
from message import Violation


def wait_for_end(connection):
    """Waits for an error or the end of the whole connection, which the system reports without being asked."""
    poll = select.poll()
    poll.register(connection, 0)
    if not poll.poll(PATIENCE * 1000):
        raise Violation(f"the client is still there after {PATIENCE} s")
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return "reset" if error else "the end"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ipv6", action="store_true")
    parser.add_argument("--read", action="store_true", help="read everything")
    parser.add_argument("--leave", action="store_true", help="close with a reset once something has come")
    options = parser.parse_args()

    with listen("::1" if options.ipv6 else "127.0.0.1") as listener:
        announce(listener)
        connection, _ = listener.accept()
    with connection:
        if options.leave:
            select.select([connection], [], [], PATIENCE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if options.read:
            connection.settimeout(PATIENCE)
            count = 0
            try:
                while piece := connection.recv(1 << 16):
                    count += len(piece)
            except ConnectionResetError:
                pass
            print(f"{count} bytes")
            return
        print(wait_for_end(connection))


if __name__ == "__main__":
    run(main)
