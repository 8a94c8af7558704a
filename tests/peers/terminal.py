"""Runs a program with a terminal as its standard error, or with `--stdout` as its standard output, and copies what the
terminal is sent to our own. With `--interrupt TEXT`, interrupts the program when the terminal has been sent this text.

The exit status is the program's.
"""

import os
import pty
import signal
import subprocess
import sys

controller, terminal = pty.openpty()
name, ours, command = "stderr", sys.stderr, sys.argv[1:]
if command[0] == "--stdout":
    name, ours, command = "stdout", sys.stdout, command[1:]
awaited = None
if command[0] == "--interrupt":
    awaited, command = command[1].encode(), command[2:]
program = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=True, **{name: terminal})
os.close(terminal)
shown = b""
while True:
    try:
        data = os.read(controller, 4096)
    except OSError:
        # Linux says EIO when the other side is closed.
        break
    if not data:
        break
    shown += data
    if awaited is not None and awaited in shown:
        program.send_signal(signal.SIGINT)
        awaited = None
ours.buffer.write(shown)
ours.buffer.flush()
sys.exit(program.wait())
