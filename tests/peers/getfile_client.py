"""Asks for a file by its path, and stores what comes, in blocks of 1024 bytes, under the last part of the path."""

import argparse
import os
import socket

from loop import PATIENCE, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--drip", action="store_true", help="send the request byte by byte")
    options = parser.parse_args()

    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(PATIENCE)
    sock.connect((options.host, options.port))
    request = options.path.encode() + b"\n"
    for start in range(0, len(request), 1 if options.drip else len(request)):
        sock.sendall(request[start : start + 1] if options.drip else request)
    with open(os.path.basename(options.path), "wb") as file:
        while True:
            block = sock.recv(1024)
            if not block:
                break
            file.write(block)


if __name__ == "__main__":
    run(main)
