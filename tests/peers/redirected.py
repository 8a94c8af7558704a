"""Programs that know nothing of sockets: they read standard input and write standard output."""

import os
import signal
import sys


def two_lines():
    """As most programs do, it leaves it to the library when its lines are written."""
    print("one")
    print("one is printed", file=sys.stderr)
    answer = sys.stdin.readline()
    print("two after", repr(answer))


def upper():
    for line in sys.stdin:
        print(line.rstrip("\n").upper(), flush=True)
    print("the end", flush=True)


def count():
    print(len(sys.stdin.buffer.read()))
    print("and again", len(sys.stdin.buffer.read()))


def copy():
    while data := os.read(0, 65536):
        while data:
            data = data[os.write(1, data) :]


def terminals():
    print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())
    try:
        with open("/dev/tty") as terminal:
            print("controlled by", os.ttyname(terminal.fileno()) and "its terminal")
        print("leads its session:", os.getsid(0) == os.getpid())
        print("in the foreground:", os.tcgetpgrp(1) == os.getpgrp())
    except OSError as error:
        print("no terminal:", error.strerror)


def deaf():
    """It closes its input and goes on."""
    os.close(0)
    print("not listening", flush=True)
    os.write(1, b"x" * (1 << 20))


def endless():
    """It ends by SIGPIPE, as programs not written in Python do once nobody reads their output."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    while True:
        os.write(1, b"x" * 1000)


def careless():
    """It ignores that nobody reads its output, and ends with success."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    print("begun", flush=True)
    sys.stdin.read()
    try:
        for _ in range(1000):
            os.write(1, b"x" * 10000)
    except OSError as error:
        print("nobody reads:", error.strerror, file=sys.stderr)
    os._exit(0)


def interrupted():
    """It reads until Ctrl-C, and then to the end, which a second Ctrl-C would prevent."""
    try:
        print("ready", flush=True)
        for line in sys.stdin:
            print("heard", repr(line), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(9)


def wait_for_signals():
    """None is missed: each one leaves a byte."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    print("ready", flush=True)
    while True:
        os.read(reader, 1)


def told(number, _frame):
    # It may come in the middle of a print.
    os.write(1, f"told {signal.Signals(number).name}\n".encode())
    os._exit(5)


def polite():
    """It ends when it's told to, in its own way."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, told)
    wait_for_signals()


def moved():
    """It is in the process group of another."""
    os.setpgid(0, os.getpgid(os.getppid()))
    signal.signal(signal.SIGTERM, told)
    wait_for_signals()


def ignorant():
    """It says which signals are ignored, and changes nothing about that."""
    signal.signal(signal.SIGTERM, told)
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    names = [number.name for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    print("ignored:", *names, flush=True)
    os.read(reader, 1)


def stubborn():
    signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"no\n"))
    wait_for_signals()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def leave(status):
    print("leaving")
    sys.exit(int(status))


def family():
    """Its child outlives it, and has something to say yet."""
    if os.fork():
        os._exit(3)
    sys.stdin.read()
    print("the child", flush=True)


globals()[sys.argv[1]](*sys.argv[2:])
