"""The books' echo client: for each word a send, a recv, and a line that shows what came.

With --clients so many of them run at once, each a process of its own, and each line says which one it is.
"""

import argparse
import multiprocessing
import socket
import sys
import time

from loop import PATIENCE, run


def without_stamp(reply):
    """The reply without the time at its end, which must be the local one and written as Python writes it."""
    rest, _, stamp = reply.decode().rpartition(" at ")
    seconds = time.mktime(time.strptime(stamp))
    if time.ctime(seconds) != stamp:
        raise ValueError(f"{stamp!r} is not how {time.ctime(seconds)!r} is written")
    if not -600 < time.time() - seconds < 600:
        raise ValueError(f"{stamp!r} is not now, {time.ctime()!r}")
    return rest.encode()


def talk(host, port, words, name, options):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect((host, port))
    for word in words:
        sock.send(word)
        reply = sock.recv(1024)
        if options.stamped:
            reply = without_stamp(reply)
        # In one piece, or the lines of several clients get mixed up.
        sys.stdout.write(f"Client {name} received: {reply!r}\n")
        sys.stdout.flush()
    sock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1, help="how many at once")
    parser.add_argument("--stamped", action="store_true", help="expect the time at the end of each reply")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("words", nargs="*", default=["Hello network world"])
    options = parser.parse_args()
    words = [word.encode() for word in options.words]

    arguments = lambda name: (options.host, options.port, words, name, options)
    children = [
        multiprocessing.Process(target=talk, args=arguments(name)) for name in range(1, options.clients + 1)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    sys.exit(max(child.exitcode for child in children))


if __name__ == "__main__":
    run(main)
