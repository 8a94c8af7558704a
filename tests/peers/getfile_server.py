"""Sends the file whose path a client sends on a line, in blocks of 1024 bytes, with a thread for each client.

It ends after as many clients as it's told. With --status it understands who asks for a status first.
"""

import argparse
import os
import threading

from loop import PATIENCE, announce, listen, run


def serve(client, options):
    client.settimeout(PATIENCE)
    lines = client.makefile("rb")
    name = lines.readline()[:-1]
    offset = 0
    if options.status:
        first, name = name.split(b" ", 1)
        offset = int(first[1:])
    try:
        file = open(os.path.join(options.root.encode(), name), "rb")
    except OSError as error:
        if options.status:
            client.sendall(b"ERROR " + error.strerror.encode() + b"\n")
        client.close()
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        if options.status:
            client.sendall(b"OK %d\n" % size)
        file.seek(offset)
        left = size if options.cut is None else options.cut
        while left:
            block = file.read(min(1024, left))
            if not block:
                break
            client.sendall(block)
            left -= len(block)
    lines.close()
    client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root")
    parser.add_argument("--clients", type=int, default=1, help="how many to serve")
    parser.add_argument("--status", action="store_true", help="send a status first")
    parser.add_argument("--cut", type=int, help="send no more than so many bytes of the file")
    options = parser.parse_args()

    listener = listen()
    announce(listener)
    threads = []
    for _ in range(options.clients):
        client, _ = listener.accept()
        threads.append(threading.Thread(target=serve, args=(client, options)))
        threads[-1].start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    run(main)
