"""A client that talks to an echo server on many connections at once, over one selectors loop.

It checks that on each connection the same bytes come back, and exits with status 1 where they don't.
"""

import argparse
import random
import selectors
import socket
from types import SimpleNamespace

from loop import run, select
from message import Violation, make_narrow

TUTORIAL_MESSAGES = [b"Message 1 from client.", b"Message 2 from client."]


def start_connections(selector, options):
    for number in range(1, options.connections + 1):
        if options.size is not None:
            total = random.Random(number).randbytes(options.size)
        else:
            total = b"".join(text.encode("utf-8") for text in options.message) or b"".join(TUTORIAL_MESSAGES)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if options.narrow:
            make_narrow(sock)
        sock.connect_ex((options.host, options.port))
        data = SimpleNamespace(number=number, total=total, sent=0, received=bytearray())
        # Nothing is read before a send has blocked or all is sent: long messages fill the buffers of both sides.
        selector.register(sock, selectors.EVENT_WRITE, data=data)


def service_connection(selector, key, mask, options):
    sock, data = key.fileobj, key.data
    if mask & selectors.EVENT_WRITE:
        rest = memoryview(data.total)[data.sent :]
        try:
            sent = sock.send(rest)
        except BlockingIOError:
            sent = 0
        data.sent += sent
        if data.sent == len(data.total):
            if options.half_close:
                sock.shutdown(socket.SHUT_WR)
            selector.modify(sock, selectors.EVENT_READ, data=data)
        elif sent < len(rest):
            selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, data=data)
    if mask & selectors.EVENT_READ:
        received = sock.recv(65536)
        data.received += received
        if data.total[: len(data.received)] != data.received:
            raise Violation(f"connection {data.number}: what came back is not what went out")
        is_whole = len(data.received) == len(data.total)
        if not received and not is_whole:
            raise Violation(f"connection {data.number}: closed after {len(data.received)} of {len(data.total)} bytes")
        # After a half-close it's the server that closes.
        if not received or (is_whole and not options.half_close):
            print(f"Closing connection {data.number}: {len(data.received)} bytes", flush=True)
            selector.unregister(sock)
            sock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--message", action="append", default=[], help="what to send")
    parser.add_argument("--size", type=int, help="send so many bytes of any value instead")
    parser.add_argument("--half-close", action="store_true", help="end the sending side, and read to the end")
    parser.add_argument("--narrow", action="store_true", help="let the systems buffer little")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    options = parser.parse_args()

    selector = selectors.DefaultSelector()
    start_connections(selector, options)
    while selector.get_map():
        for key, mask in select(selector):
            service_connection(selector, key, mask, options)


if __name__ == "__main__":
    run(main)
