"""A server of the framed application protocol: a Message for each connection, over one selectors loop.

One message a connection, and it closes after its reply. It prints the bytes of each request, and ends after as many
connections as it's told. Anything that is not as it should be is an error and exit status 1.
"""

import argparse
import json
import selectors
import socket

from loop import listen, run, serve
from message import Incoming, Violation, as_json, compose

ENTRIES = {"zion": "The last human city. 🏙", "🐱": "🧶 Busy."}


class Message:
    """One connection: a request, and the reply to it."""

    def __init__(self, selector, sock, options):
        self.selector = selector
        self.sock = sock
        self.options = options
        self.recv_buffer = bytearray()
        self.send_buffer = None
        self.request = Incoming(keep=False)

    def process_events(self, mask):
        if mask & selectors.EVENT_READ:
            self.read()
        if mask & selectors.EVENT_WRITE:
            self.write()

    def read(self):
        try:
            data = self.sock.recv(self.options.piece)
        except BlockingIOError:
            return
        if not data:
            raise Violation("the client closed before it had its reply")
        self.recv_buffer += data
        if self.request.take(self.recv_buffer):
            if self.recv_buffer:
                raise Violation(f"{len(self.recv_buffer)} bytes after the request")
            print(self.request.raw.hex(), flush=True)
            self.send_buffer = memoryview(self.create_response())
            self.selector.modify(self.sock, selectors.EVENT_WRITE, data=self)

    def create_response(self):
        header, content = self.request.header, self.request.content
        if header["content-type"] == "text/json":
            if header["content-encoding"] != "utf-8":
                raise Violation(f"the request's encoding is {header['content-encoding']!r}")
            request = json.loads(content.decode("utf-8"))
            if as_json(request) != content or list(request) != ["action", "value"]:
                raise Violation(f"a request that is spelled otherwise than Python does: {content!r}")
            if request["action"] != "search":
                raise Violation(f"the action {request['action']!r} as JSON")
            entry = ENTRIES.get(request["value"], f"No match for '{request['value']}'.")
            return compose(as_json({"result": entry * self.options.times}), "text/json", "utf-8")
        if header["content-type"] != "binary/custom-client-binary-type" or header["content-encoding"] != "binary":
            raise Violation(f"a request of the type {header['content-type']!r} in {header['content-encoding']!r}")
        reply = (b"First 10 bytes of request: " + content[:10]) * self.options.times
        return compose(reply, "binary/custom-server-binary-type", "binary")

    def write(self):
        try:
            sent = self.sock.send(self.send_buffer[: self.options.piece])
        except BlockingIOError:
            return
        self.send_buffer = self.send_buffer[sent:]
        if not self.send_buffer:
            self.selector.unregister(self.sock)
            self.sock.close()


def accept(selector, listener, options):
    sock, _ = listener.accept()
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    selector.register(sock, selectors.EVENT_READ, data=Message(selector, sock, options))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1, help="how many to serve")
    parser.add_argument("--piece", type=int, default=65536, help="most bytes in a recv and a send")
    parser.add_argument("--times", type=int, default=1, help="how often the answer is in the reply")
    options = parser.parse_args()

    selector = selectors.DefaultSelector()
    listener = listen()
    accepted = lambda: accept(selector, listener, options)
    serve(selector, listener, options.connections, accepted, lambda key, mask: key.data.process_events(mask))


if __name__ == "__main__":
    run(main)
