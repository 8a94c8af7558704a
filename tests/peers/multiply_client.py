"""Sends a string and prints how many bytes come back, which have to be that string over and over."""

import argparse
import socket

from loop import PATIENCE, run
from message import Violation


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("text")
    parser.add_argument("--chunk", type=int, default=1000000, help="most bytes in a recv")
    options = parser.parse_args()

    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect((options.host, options.port))
    sock.send(options.text.encode())
    came = bytearray()
    while True:
        chunk = sock.recv(options.chunk)
        if not chunk:
            break
        came += chunk
    text = options.text.encode()
    if bytes(came) != text * (len(came) // len(text)):
        raise Violation("what came is not the string over and over")
    print(len(came))


if __name__ == "__main__":
    run(main)
