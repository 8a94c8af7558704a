"""A client that sends letter by letter and prints the result of one recv, as in the texts. An empty line ends it."""

import argparse
import socket
import sys

from loop import PATIENCE, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    options = parser.parse_args()

    sock = socket.create_connection((options.host, options.port), timeout=PATIENCE)
    for line in sys.stdin:
        letter = line.rstrip("\n")
        if not letter:
            break
        sock.send(letter.encode("ascii"))
        print(sock.recv(1024).decode("ascii"), flush=True)
    sock.close()


if __name__ == "__main__":
    run(main)
