"""The books' echo server on select: two ports, one loop, and `Echo=>` before each chunk.

It ends after as many connections as it's told, and prints how many came by each port.
"""

import argparse
import select
import socket
import sys
import time

from loop import PATIENCE, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1, help="how many to serve")
    parser.add_argument("--prefix", default="Echo=>")
    parser.add_argument("--stamp", action="store_true", help="add the time")
    parser.add_argument("--piece", type=int, default=1024, help="most bytes in a recv")
    options = parser.parse_args()

    mains = []
    for _ in range(2):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        mains.append(listener)
    # Both at once, for whoever waits for them.
    sys.stdout.write("".join(f"Listening on 127.0.0.1:{sock.getsockname()[1]}\n" for sock in mains))
    sys.stdout.flush()

    came, readable = [0, 0], list(mains)
    while sum(came) < options.connections or len(readable) > 2:
        ready, _, _ = select.select(readable, [], [], PATIENCE)
        if not ready:
            raise TimeoutError(f"nothing happened for {PATIENCE} s")
        for sock in ready:
            if sock in mains:
                connection, _ = sock.accept()
                readable.append(connection)
                came[mains.index(sock)] += 1
                continue
            data = sock.recv(options.piece)
            if not data:
                sock.close()
                readable.remove(sock)
                continue
            stamp = f" at {time.ctime()}" if options.stamp else ""
            sock.sendall(options.prefix.encode() + data + stamp.encode())
    print(f"{came[0]} and {came[1]} connections", flush=True)


if __name__ == "__main__":
    run(main)
