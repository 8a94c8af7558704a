"""A server of one connection, in one of several manners, with blocking sockets. It prints what it has read at the end."""

import select
import socket
import struct
import sys

from loop import announce, listen


def greet(connection):
    """As mail servers do: it speaks first, answers each line, and closes when it's told to quit."""
    stream = connection.makefile("rwb")
    stream.write(b"220 at your service\r\n")
    stream.flush()
    for line in stream:
        print(repr(line))
        quits = line.strip().upper() == b"QUIT"
        stream.write(b"221 goodbye\r\n" if quits else b"250 " + line.strip() + b"\r\n")
        stream.flush()
        if quits:
            break


def silent(connection):
    """It reads, and never says a word; nor does it close, until the client does."""
    while data := connection.recv(1024):
        print(repr(data))


def answer_to_open(connection):
    """Like some web servers, it answers and closes, but a client that has already ended its side gets no answer."""
    line = connection.makefile("rb").readline()
    connection.setblocking(False)
    try:
        ended = not connection.recv(1)
    except BlockingIOError:
        ended = False
    connection.setblocking(True)
    print(repr(line), "ended" if ended else "open")
    if not ended:
        connection.sendall(b"here you are\n")


def linger(connection):
    """It answers and then stays, as one that keeps connections for the next request."""
    print(repr(connection.makefile("rb").readline()))
    connection.sendall(b"one answer\n")
    print("then", connection.recv(1))


def early(connection):
    """It reads nothing and is gone."""
    connection.sendall(b"too late\n")


def reset(connection):
    """It breaks the connection in the middle of a word, once that has arrived."""
    connection.sendall(b"half a wo")
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half(connection):
    """It has ended its side before it reads."""
    connection.sendall(b"that is all\n")
    connection.shutdown(socket.SHUT_WR)
    count = 0
    while data := connection.recv(65536):
        count += len(data)
    print(count)


def binary(connection):
    """Every byte there is, in pieces that cut characters."""
    data = bytes(range(256)) * 4 + "é🐰".encode()
    for index in range(0, len(data), 7):
        connection.sendall(data[index : index + 7])


def begun(connection):
    """It sends the beginning of a character, and then stays."""
    connection.sendall("é🐰".encode()[:-1])
    connection.recv(1024)
    connection.recv(1)


def both(connection):
    """A mebibyte each way, at once."""
    connection.setblocking(False)
    to_send, count, ended = bytes(1 << 20), 0, False
    while to_send or not ended:
        readable, writable, _ = select.select([] if ended else [connection], [connection] if to_send else [], [])
        if readable:
            data = connection.recv(65536)
            count += len(data)
            ended = not data
        if writable:
            sent = connection.send(to_send[:65536])
            to_send = to_send[sent:]
    print(count)


def flood(connection):
    """Far more than anybody wants to keep."""
    connection.recv(1024)
    for _ in range(64):
        connection.sendall(b"x" * (1 << 20))


listener = listen()
announce(listener)
connection, _ = listener.accept()
globals()[sys.argv[1]](connection)
connection.close()
