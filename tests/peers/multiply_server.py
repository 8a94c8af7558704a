"""Sends each client's string back many times over: what one recv brings is the string.

Before it does, it waits for a line on its standard input, if it's told to. It ends after as many clients as it's told.
"""

import argparse
import sys

from loop import PATIENCE, announce, listen, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1, help="how many to serve")
    parser.add_argument("--times", type=int, default=10000, help="how often to send the string")
    parser.add_argument("--wait", action="store_true", help="wait for a line before each")
    parser.add_argument("--reset", action="store_true", help="leave at once, with a reset")
    options = parser.parse_args()

    listener = listen()
    announce(listener)
    for _ in range(options.clients):
        client, _ = listener.accept()
        client.settimeout(PATIENCE)
        if options.reset:
            # There is something unread by the time of the close.
            client.recv(1)
            client.close()
            continue
        text = client.recv(1000000)
        if options.wait:
            sys.stdin.readline()
        for _ in range(options.times):
            client.sendall(text)
        client.close()


if __name__ == "__main__":
    run(main)
