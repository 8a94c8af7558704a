"""Becomes a program that starts in unusual ways: started_with.py ignore|block|nonblocking WHAT[,WHAT]... PROGRAM ARGS.

WHAT is ignored or blocked is the name of a signal; what is non-blocking, the number of a descriptor.
"""

import os
import signal
import sys

_, how, what, *words = sys.argv
for name in what.split(","):
    if how == "nonblocking":
        os.set_blocking(int(name), False)
    elif how == "block":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.Signals["SIG" + name]])
    else:
        signal.signal(signal.Signals["SIG" + name], signal.SIG_IGN)
os.execvp(words[0], words)
