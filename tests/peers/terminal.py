"""Runs a program with a terminal as its standard error, and copies what the terminal is sent to our own.

The exit status is the program's.
"""

import os
import pty
import subprocess
import sys

controller, terminal = pty.openpty()
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stderr=terminal, close_fds=True)
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
sys.stderr.buffer.write(shown)
sys.stderr.buffer.flush()
sys.exit(program.wait())
