"""An echo server for many connections, over one selectors loop.

It ends after as many connections as it's told, and prints how many bytes each brought. A peer that leaves while there
is something to send to it is an error and exit status 1.
"""

import argparse
import selectors
from types import SimpleNamespace

from loop import listen, run, serve
from message import Violation, make_narrow


def accept(selector, listener):
    sock, address = listener.accept()
    sock.setblocking(False)
    data = SimpleNamespace(address=address, count=0, output=bytearray())
    selector.register(sock, selectors.EVENT_READ, data=data)


def service_connection(selector, key, mask, options):
    sock, data = key.fileobj, key.data
    if mask & selectors.EVENT_READ:
        received = sock.recv(options.piece)
        if not received:
            if data.output:
                raise Violation(f"{data.address} closed with {len(data.output)} bytes to come back to it")
            print(f"Closing connection: {data.count} bytes", flush=True)
            selector.unregister(sock)
            sock.close()
            return
        data.count += len(received)
        data.output += received
    if mask & selectors.EVENT_WRITE and data.output:
        try:
            sent = sock.send(data.output)
        except BlockingIOError:
            sent = 0
        del data.output[:sent]
    # One that buffers little reads only what it can send.
    read = selectors.EVENT_READ if not data.output or not options.narrow else 0
    write = selectors.EVENT_WRITE if data.output else 0
    selector.modify(sock, read | write, data=data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1, help="how many to serve")
    parser.add_argument("--piece", type=int, default=1024, help="most bytes in a recv")
    parser.add_argument("--narrow", action="store_true", help="buffer little, and let the systems do so")
    options = parser.parse_args()

    selector = selectors.DefaultSelector()
    listener = listen()
    if options.narrow:
        make_narrow(listener)
    accepted = lambda: accept(selector, listener)
    served = lambda key, mask: service_connection(selector, key, mask, options)
    serve(selector, listener, options.connections, accepted, served)


if __name__ == "__main__":
    run(main)
