"""The books' echo server on select: two ports, one loop, and `Echo=>` before each chunk.

It ends after as many connections as it's told, and prints how many came by each port.
"""

import argparse
import select
import time

from loop import PATIENCE, announce, listen, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1, help="how many to serve")
    parser.add_argument("--prefix", default="Echo=>")
    parser.add_argument("--stamp", action="store_true", help="add the time")
    parser.add_argument("--piece", type=int, default=1024, help="most bytes in a recv")
    options = parser.parse_args()

    mains = [listen(), listen()]
    announce(*mains)

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
