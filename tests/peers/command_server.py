"""A server that has a shell run `w` or `ps` for its clients, one after the other, as in the text.

For other names it does what a server may do, or had better not: see there.
"""

import argparse
import os
import socket
import struct

from loop import PATIENCE, announce, listen, run


def serve(sock, name):
    if name in ("w", "ps"):
        with os.popen(name) as output, sock.makefile("w") as stream:
            for line in output:
                stream.write(line)
    elif name == "pieces":
        for byte in "one\ntwo\n🐰".encode("utf-8"):
            sock.send(bytes([byte]))
    elif name == "much":
        sock.sendall(b"0123456789abcde\n" * 65536)
    elif name == "nothing":
        pass
    elif name == "silence":
        sock.sendall(b"wait for it")
        # Until the client gives up.
        sock.recv(1)
    elif name == "reset":
        sock.sendall(b"one\n")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif name.startswith("say "):
        sock.sendall(name[4:].encode("utf-8").decode("unicode_escape").encode("latin-1"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1, help="how many to serve")
    options = parser.parse_args()

    listener = listen()
    announce(listener)
    for _ in range(options.connections):
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(PATIENCE)
            name = sock.recv(1024).decode("utf-8").strip()
            print(name, flush=True)
            serve(sock, name)


if __name__ == "__main__":
    run(main)
