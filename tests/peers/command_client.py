"""A client that names a command, and prints the lines that the server sends as they come."""

import argparse
import socket

from loop import PATIENCE, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--newline", action="store_true", help="end the name with a newline")
    parser.add_argument("--half-close", action="store_true", help="end the sending side after the name")
    parser.add_argument("--bytewise", action="store_true", help="send a byte at a time")
    parser.add_argument("--lines", type=int, help="read so many lines, and close")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("name")
    options = parser.parse_args()

    sock = socket.create_connection((options.host, options.port), timeout=PATIENCE)
    name = options.name.encode("utf-8") + (b"\n" if options.newline else b"")
    if options.bytewise:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in name:
            sock.send(bytes([byte]))
    else:
        sock.send(name)
    if options.half_close:
        sock.shutdown(socket.SHUT_WR)
    with sock.makefile("r", encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            print(line, end="", flush=True)
            if number == options.lines:
                break
    sock.close()


if __name__ == "__main__":
    run(main)
