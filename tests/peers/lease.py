"""Holds a lease on the file that it's given, so that opening that file waits. Prints `held`, then `awaited` when somebody
waits, and gives it back when it reads a line."""
import fcntl
import os
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.sigwait([signal.SIGIO])
print("awaited", flush=True)
sys.stdin.readline()
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
