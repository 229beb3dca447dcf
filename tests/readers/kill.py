"""Runs a program and kills it at the Nth call, counted over all its threads, by which it changes what a directory holds or
makes that durable: names made, changed and removed, files written to, syncs. Ends with 0 when the program was killed, with 1
when it ended before, having printed how many such calls it made, with 2 where the system lets nobody trace a program.
(`strace` counts each thread and each kind of call for itself, so it cannot reach every call.)

    kill.py N DIRECTORY PROGRAM ARGUMENT...       kills nobody when N is 0
"""

import ctypes
import os
import platform
import signal
import sys

# By architecture: what makes, changes or removes a name, or makes something durable; `openat`; what writes.
CALLS = {
    "x86_64": ({74, 75, 82, 83, 84, 86, 87, 88, 258, 263, 264, 265, 266, 316}, 257, {1, 18, 20}),
    "aarch64": ({34, 35, 36, 37, 38, 82, 83, 276}, 56, {64, 66, 68}),
}
TRACEME, GO_ON, SET_OPTIONS, CALL_INFO = 0, 24, 0x4200, 0x420E
MARK_CALLS, FOLLOW_FORKS, FOLLOW_THREADS, TELL_EXEC, END_WITH_ME = 1, 2, 8, 16, 1 << 20
ENTRY = 1

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Call(ctypes.Structure):
    """`struct ptrace_syscall_info`, as of a call that begins."""

    _fields_ = [("op", ctypes.c_uint8), ("arch", ctypes.c_uint32), ("at", ctypes.c_uint64), ("stack", ctypes.c_uint64)]
    _fields_ += [("number", ctypes.c_uint64), ("arguments", ctypes.c_uint64 * 6), ("more", ctypes.c_uint64)]


def counts(thread, directory):
    """Whether the call at which this thread stands is one of those that are counted."""
    call = Call()
    libc.ptrace(CALL_INFO, thread, ctypes.sizeof(call), ctypes.addressof(call))
    changes, opens, writes = CALLS[platform.machine()]
    if call.op != ENTRY:
        return False
    if call.number in writes:
        try:
            return os.readlink(f"/proc/{thread}/fd/{call.arguments[0]}").startswith(directory)
        except FileNotFoundError:
            return False
    return call.number in changes or (call.number == opens and bool(call.arguments[2] & os.O_CREAT))


def main():
    if sys.platform != "linux" or platform.machine() not in CALLS:
        sys.exit(2)
    nth, directory, command = int(sys.argv[1]), os.path.realpath(sys.argv[2]), sys.argv[3:]
    made = 0
    child = os.fork()
    if child == 0:
        if libc.ptrace(TRACEME, 0, None, None) != 0:
            os._exit(2)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.execv(command[0], command)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFEXITED(status):
        sys.exit(2)
    libc.ptrace(SET_OPTIONS, child, None, MARK_CALLS | FOLLOW_FORKS | FOLLOW_THREADS | TELL_EXEC | END_WITH_ME)
    libc.ptrace(GO_ON, child, None, None)
    while True:
        thread, status = os.waitpid(-1, 0x40000000)  # __WALL: threads too.
        if thread == child and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            if os.WIFSIGNALED(status):
                sys.exit(0)
            print(made)
            sys.exit(1)
        if not os.WIFSTOPPED(status):
            continue
        stopped, passed_on = os.WSTOPSIG(status), None
        if stopped == signal.SIGTRAP | 0x80:
            made += counts(thread, directory)
            if made == nth > 0:
                os.kill(child, signal.SIGKILL)
        elif stopped not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = int(stopped)
        libc.ptrace(GO_ON, thread, None, passed_on)


main()
