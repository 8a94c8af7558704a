"""A client of the framed application protocol: a Message for each connection, over one selectors loop.

Each ACTION VALUE is a request on a connection of its own, unless they are to share one. The replies are printed in the
order of the requests. Anything that is not as it should be is an error and exit status 1.
"""

import argparse
import json
import selectors
import socket
import struct
import sys

from loop import run, select
from message import Incoming, Violation, as_json, compose, make_narrow


def request(action, value, keep, options):
    """The tutorial's two kinds of request, and sums."""
    if action == "search" or options.json:
        content = as_json({"action": action, "value": value}, options.encoding)
        return compose(content, "text/json", options.encoding, options.byteorder, keep)
    if action == "sum":
        integers = [int(word) for word in value.split(",")]
        order = {"little": "<", "big": ">"}[options.byteorder]
        content = struct.pack(f"{order}{len(integers)}i", *integers)
        return compose(content, "binary/i32", "binary", options.byteorder, keep)
    content = (action + value).encode("utf-8")
    return compose(content, "binary/custom-client-binary-type", "binary", options.byteorder, keep)


class Message:
    """One connection: its requests, and the replies to them."""

    def __init__(self, selector, sock, requests, options):
        self.selector = selector
        self.sock = sock
        self.options = options
        self.waiting = [request(action, value, keep, options) for action, value, keep in requests]
        self.expected = [Incoming(keep) for _, _, keep in requests]
        self.replies = []
        self.connected = False
        self.send_buffer = bytearray()
        self.recv_buffer = bytearray()
        self.queue_requests()

    def queue_requests(self):
        """The next request, or all of them when they are pipelined."""
        count = len(self.waiting) if self.options.pipeline else 1
        for message in self.waiting[:count]:
            self.send_buffer += message
        del self.waiting[:count]

    def process_events(self, mask):
        if mask & selectors.EVENT_WRITE:
            self.write()
        if mask & selectors.EVENT_READ:
            self.read()

    def write(self):
        if not self.connected:
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, "cannot connect")
            self.connected = True
        rest = memoryview(self.send_buffer)[: 1 if self.options.drip else None]
        try:
            sent = self.sock.send(rest)
        except BlockingIOError:
            sent = 0
        is_blocked = sent < len(rest)
        rest.release()
        del self.send_buffer[:sent]
        if is_blocked or not self.send_buffer or not self.options.narrow:
            self.set_events()

    def read(self):
        try:
            data = self.sock.recv(4096 if not self.options.drip else 1)
        except BlockingIOError:
            return
        if not data:
            return self.end()
        self.recv_buffer += data
        while self.expected and self.expected[0].take(self.recv_buffer):
            self.replies.append(self.expected.pop(0))
            if self.waiting:
                self.queue_requests()
                self.set_events()
        if self.recv_buffer and not self.expected:
            raise Violation(f"{len(self.recv_buffer)} bytes after the last reply")

    def end(self):
        if self.expected or self.send_buffer:
            raise Violation(f"the server closed with {len(self.expected)} replies to come")
        self.selector.unregister(self.sock)
        self.sock.close()
        self.sock = None

    def set_events(self):
        write = selectors.EVENT_WRITE if self.send_buffer else 0
        self.selector.modify(self.sock, selectors.EVENT_READ | write, data=self)


def start_connection(selector, requests, options):
    sock = socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.narrow:
        make_narrow(sock)
    sock.connect_ex((options.host, options.port))
    message = Message(selector, sock, requests, options)
    selector.register(sock, selectors.EVENT_WRITE, data=message)
    return message


def shown(reply, options):
    if options.hex:
        return reply.raw.hex()
    content_type = reply.header["content-type"]
    if content_type == "text/json":
        answer = json.loads(reply.content.decode(reply.header["content-encoding"]))
        if list(answer) != ["result"] or type(answer["result"]) is not str:
            raise Violation(f"a reply that is no result: {answer!r}")
        return answer["result"]
    if content_type == "binary/i64":
        if len(reply.content) != 8:
            raise Violation(f"a sum of {len(reply.content)} bytes")
        return str(int.from_bytes(reply.content, reply.header["byteorder"], signed=True))
    if content_type == "binary/custom-server-binary-type":
        return repr(reply.content)
    raise Violation(f"a reply of the type {content_type!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="all requests one after the other on one connection")
    parser.add_argument("--pipeline", action="store_true", help="all requests at once on one connection")
    parser.add_argument("--drip", action="store_true", help="one byte with each send and recv")
    parser.add_argument("--json", action="store_true", help="any action as JSON")
    parser.add_argument("--encoding", default="utf-8", help="of JSON requests")
    parser.add_argument("--byteorder", default=sys.byteorder, choices=["little", "big"])
    parser.add_argument("--hex", action="store_true", help="print the bytes of each whole reply")
    parser.add_argument("--narrow", action="store_true", help="let the systems buffer little, read when a send blocks")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("words", metavar="ACTION VALUE", nargs="+")
    options = parser.parse_args()
    pairs = list(zip(options.words[::2], options.words[1::2], strict=True))

    selector = selectors.DefaultSelector()
    if options.keep or options.pipeline:
        last = len(pairs) - 1
        together = [(action, value, index < last) for index, (action, value) in enumerate(pairs)]
        messages = [start_connection(selector, together, options)]
    else:
        messages = [start_connection(selector, [(action, value, False)], options) for action, value in pairs]
    while selector.get_map():
        for key, mask in select(selector):
            key.data.process_events(mask)
    lines = [shown(reply, options) + "\n" for message in messages for reply in message.replies]
    sys.stdout.buffer.write("".join(lines).encode("utf-8"))


if __name__ == "__main__":
    run(main)
