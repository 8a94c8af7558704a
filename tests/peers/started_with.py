"""Becomes a program that starts in unusual ways: started_with.py ignore|block|nonblocking|sockets WHAT[,WHAT]... PROGRAM ARGS.

WHAT is ignored or blocked is the name of a signal; what is non-blocking, or passed as systemd passes sockets, the number of
a descriptor.
"""

import fcntl
import os
import signal
import sys

_, how, what, *words = sys.argv
for name in what.split(","):
    if how == "sockets":
        continue
    if how == "nonblocking":
        os.set_blocking(int(name), False)
    elif how == "block":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.Signals["SIG" + name]])
    else:
        signal.signal(signal.Signals["SIG" + name], signal.SIG_IGN)
if how == "sockets":
    # They come from 3 on, which may be the number of another of them.
    count = len(what.split(","))
    copies = [fcntl.fcntl(int(name), fcntl.F_DUPFD, 3 + count) for name in what.split(",")]
    for number, copy in enumerate(copies, 3):
        os.dup2(copy, number)
        os.close(copy)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(count)
os.execvp(words[0], words)
