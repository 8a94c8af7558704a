"""Sixteen bytes there and sixteen back, with blocking sockets: either side, as the text has it.

What is sent can be something else, for peers that mean no good.
"""

import argparse
import socket

from loop import PATIENCE, announce, listen, run


def recv_all(sock, length):
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise EOFError(f"socket closed {len(data)} bytes into a {length}-byte message")
        data += more
    return data


def send_pieces(sock, data, piece):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(data), piece):
        sock.sendall(data[at : at + piece])


def serve(options):
    listener = listen()
    announce(listener)
    sock, _ = listener.accept()
    sock.settimeout(PATIENCE)
    print(f"Socket connects {sock.getsockname()} and {sock.getpeername()}")
    print(f"The incoming sixteen-octet message says {recv_all(sock, 16)!r}", flush=True)
    send_pieces(sock, options.say.encode(), options.piece)
    if options.keep_open:
        # Until the other side has had enough.
        sock.recv(1)
    sock.close()


def call(options):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect((options.host, options.port))
    print(f"Client has been assigned socket name {sock.getsockname()}")
    send_pieces(sock, options.say.encode(), options.piece)
    if options.half_close:
        sock.shutdown(socket.SHUT_WR)
    reply = recv_all(sock, 16)
    print(f"The server said {reply!r}")
    if sock.recv(1):
        raise ValueError("the reply goes on")
    sock.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["server", "client"])
    parser.add_argument("--say", help="what to send")
    parser.add_argument("--piece", type=int, default=1 << 20, help="most bytes in a send")
    parser.add_argument("--half-close", action="store_true", help="end the sending side after that")
    parser.add_argument("--keep-open", action="store_true", help="do not close first")
    parser.add_argument("host", nargs="?")
    parser.add_argument("port", nargs="?", type=int)
    options = parser.parse_args()
    if options.role == "server":
        options.say = "Farewell, client" if options.say is None else options.say
        serve(options)
    else:
        options.say = "Hi there, server" if options.say is None else options.say
        call(options)


if __name__ == "__main__":
    run(main)
