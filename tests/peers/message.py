"""The framed message as Python programs put it together and take it apart, strict about every byte."""

import json
import socket
import struct
import sys

REQUIRED = ["byteorder", "content-type", "content-encoding", "content-length"]


class Violation(Exception):
    """The other side did something that it must not do."""


def compose(content, content_type, content_encoding, byteorder=sys.byteorder, keep=False):
    """A whole message."""
    header = {
        "byteorder": byteorder,
        "content-type": content_type,
        "content-encoding": content_encoding,
        "content-length": len(content),
    }
    if keep:
        header["connection"] = "keep-alive"
    head = as_json(header)
    return struct.pack(">H", len(head)) + head + content


def make_narrow(sock):
    """Lets the systems on both sides buffer only a little, of listeners for the connections that they accept.

    On loopback the segments are so large that a few of them hold megabytes, so these are made small too.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)


def as_json(value, encoding="utf-8"):
    return json.dumps(value, ensure_ascii=False).encode(encoding)


class Incoming:
    """A message whose bytes arrive little by little. Each stage is passed once."""

    def __init__(self, keep):
        self.keep = keep
        self.raw = b""
        self.header_end = None
        self.header = None
        self.content = None

    def take(self, buffer):
        """Moves what belongs to this message out of `buffer`, and returns whether it's all there."""
        if self.header_end is None and self._fill(buffer, 2):
            self.header_end = 2 + struct.unpack(">H", self.raw)[0]
        if self.header_end is not None and self.header is None and self._fill(buffer, self.header_end):
            self.header = self._checked_header(self.raw[2:])
        if self.header is not None and self._fill(buffer, self.header_end + self.header["content-length"]):
            self.content = self.raw[self.header_end :]
        return self.content is not None

    def _fill(self, buffer, length):
        missing = length - len(self.raw)
        if len(buffer) < missing:
            return False
        self.raw += bytes(buffer[:missing])
        del buffer[:missing]
        return True

    def _checked_header(self, head):
        header = json.loads(head.decode("utf-8"))
        if as_json(header) != head:
            raise Violation(f"a header that is spelled otherwise than Python does: {head!r}")
        wanted = REQUIRED + (["connection"] if self.keep else [])
        if list(header) != wanted:
            raise Violation(f"the header's keys are {list(header)}, not {wanted}")
        if self.keep and header["connection"] != "keep-alive":
            raise Violation(f"the header's connection is {header['connection']!r}")
        if header["byteorder"] != sys.byteorder:
            raise Violation(f"the header's byteorder is {header['byteorder']!r}, not this machine's")
        if type(header["content-length"]) is not int or header["content-length"] < 0:
            raise Violation(f"the header's content-length is {header['content-length']!r}")
        return header
