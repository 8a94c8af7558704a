"""Becomes a program that starts with signals ignored or blocked: started_with.py ignore|block NAME[,NAME]... PROGRAM ARGS."""

import os
import signal
import sys

_, how, names, *words = sys.argv
numbers = [signal.Signals["SIG" + name] for name in names.split(",")]
if how == "block":
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
else:
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
os.execvp(words[0], words)
