"""A server that appends what any client sends to one string and answers with all of it, in the manner of the texts: it
waits for all its clients first, and then asks one non-blocking socket after the other.
"""

import argparse
import time

from loop import PATIENCE, announce, listen, run
from message import Violation


def serve(clients, options):
    string = b""
    until = time.monotonic() + PATIENCE
    while clients:
        if time.monotonic() > until:
            raise Violation(f"it takes longer than {PATIENCE} s")
        for client in list(clients):
            try:
                received = client.recv(options.piece)
            except BlockingIOError:
                continue
            if not received:
                clients.remove(client)
                client.close()
                continue
            string += received
            client.setblocking(True)
            client.sendall(string)
            client.setblocking(False)
            if options.close_after is not None and len(string) >= options.close_after:
                clients.remove(client)
                client.close()
        # The texts' server does without, and burns the processor.
        time.sleep(0.001)
    return string


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=2, help="how many to wait for")
    parser.add_argument("--piece", type=int, default=1, help="most bytes in a recv")
    parser.add_argument("--close-after", type=int, help="close on who makes the string so long")
    options = parser.parse_args()

    listener = listen()
    announce(listener)
    clients = []
    for _ in range(options.clients):
        client, _ = listener.accept()
        client.setblocking(False)
        clients.append(client)
    print("the final value is", serve(clients, options).decode("ascii"), flush=True)


if __name__ == "__main__":
    run(main)
