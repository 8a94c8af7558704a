"""Runs a program on a terminal of its own, types a line and Ctrl-C, and prints what its peer gets, and how it ended.

If it listens, its peer is us: the line is typed once it has said something, and Ctrl-C after what it makes of the line,
if it reads the terminal at all. If it doesn't, it talks to `raw_server.py greet`, and Ctrl-C is typed once that has
answered.
"""

import os
import pty
import socket
import sys

PATIENCE = 20


def shown(terminal, end):
    """What the terminal shows, up to `end`."""
    text = b""
    while end not in text:
        text += os.read(terminal, 1024)
    return text.decode()


pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
if "redirect" in sys.argv:
    port = int(shown(terminal, b"\n").rsplit(":", 1)[1])
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    lines = sock.makefile("r")
    print(lines.readline(), end="")
    if "--stdout" in sys.argv:
        os.write(terminal, b"typed\n")
        print(lines.readline(), end="")
    os.write(terminal, b"\x03")
    print(lines.read(), end="")
    lines.close()
    sock.close()
else:
    os.write(terminal, b"typed\n")
    shown(terminal, b"250 typed")
    os.write(terminal, b"\x03")
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
