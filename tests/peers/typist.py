"""Runs a program on a terminal, types something whenever it prompts, and prints what the terminal shows.

The exit status is the program's, or 128 and the number of the signal that ended it.
"""

import argparse
import os
import pty
import select
import sys

from loop import PATIENCE, run
from message import Violation


def read(controller):
    ready, _, _ = select.select([controller], [], [], PATIENCE)
    if not ready:
        raise Violation(f"the program showed nothing for {PATIENCE} s")
    try:
        return os.read(controller, 4096)
    except OSError:
        # Linux says EIO when the other side is closed.
        return b""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", action="append", default=[], help="what to type at a prompt")
    parser.add_argument("prompt", help="how it prompts")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    child, controller = pty.fork()
    if child == 0:
        os.execvp(options.program[0], options.program)
    shown, seen = b"", 0
    while data := read(controller):
        shown += data
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if shown[seen:].endswith(options.prompt.encode("ascii")) and options.keys:
            seen = len(shown)
            os.write(controller, options.keys.pop(0).encode("utf-8"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    run(main)
