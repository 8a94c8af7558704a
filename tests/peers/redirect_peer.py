"""The other side of a program whose streams are a connection: as a client or a server, with `makefile` and blocking calls."""

import argparse
import socket
import threading

from loop import announce, listen


def read_lines(sock):
    """It only listens."""
    with sock.makefile("r") as lines:
        for line in lines:
            print(repr(line), flush=True)


def write_lines(sock):
    """It only talks."""
    with sock.makefile("w") as lines:
        for number in range(3):
            print("line", number, file=lines)


def ask(sock):
    """Line by line: none is sent before the one before was answered."""
    stream = sock.makefile("rw")
    for word in ("first", "second", "third"):
        print(word, file=stream, flush=True)
        print(repr(stream.readline()), flush=True)
    stream.flush()
    sock.shutdown(socket.SHUT_WR)
    print(repr(stream.read()))


def answer(sock):
    """It waits for a line before it says anything."""
    stream = sock.makefile("rw")
    print(repr(stream.readline()), flush=True)
    print("go on", file=stream, flush=True)
    print(repr(stream.read()))


def exchange(sock):
    """A mebibyte each way, at once: the reply has to equal what was sent."""
    data = b"".join(b"%07d\n" % number for number in range(1 << 17))

    def send():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    came = bytearray()
    while piece := sock.recv(65536):
        came += piece
    sender.join()
    print(len(came), came == data)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("manner")
parser.add_argument("address", nargs="?", help="HOST:PORT to connect to; without it, this is the server")
options = parser.parse_args()
if options.address:
    host, port = options.address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)))
else:
    listener = listen()
    announce(listener)
    sock, _ = listener.accept()
globals()[options.manner](sock)
sock.close()
