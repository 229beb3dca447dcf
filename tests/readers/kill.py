"""Runs a program and kills it at the Nth call, counted over all its threads, by which it changes what a directory holds or
makes that durable: names made, changed and removed, files written to, syncs. Ends with 0 when the program was killed, with 1
when it ended before, having printed how many such calls it made, with 2 where the system lets nobody trace a program.
(`strace` counts each thread and each kind of call for itself, so it cannot reach every call.)

    kill.py N DIRECTORY PROGRAM ARGUMENT...       kills nobody when N is 0
"""

import ctypes
import os
import signal
import struct
import sys

# By architecture: its number for filters; what makes, changes or removes a name, or makes something durable; `openat`; what writes.
CALLS = {
    "x86_64": (0xC000003E, {74, 75, 82, 83, 84, 86, 87, 88, 258, 263, 264, 265, 266, 316}, 257, {1, 18, 20}),
    "aarch64": (0xC00000B7, {34, 35, 36, 37, 38, 82, 83, 276}, 56, {64, 66, 68}),
}
MACHINE = os.uname().machine
TRACEME, GO_ON, SET_OPTIONS, CALL_INFO = 0, 7, 0x4200, 0x420E
FOLLOW_FORKS, FOLLOW_THREADS, TELL_EXEC, TELL_CALLS, END_WITH_ME = 2, 8, 16, 128, 1 << 20
EXECUTED, CALLED = 4, 7
NO_NEW_PRIVILEGES, SET_FILTER, FILTER = 38, 22, 2
# The filter's steps: loads a word of the call, compares it, tests its bits, returns a verdict.
LOAD, EQUALS, HAS_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, ARCHITECTURE, FLAGS = 0, 4, 32
ALLOW, TELL = 0x7FFF0000, 0x7FF00000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]


class Call(ctypes.Structure):
    """`struct ptrace_syscall_info`, as of a call that a filter tells."""

    _fields_ = [("op", ctypes.c_uint8), ("arch", ctypes.c_uint32), ("at", ctypes.c_uint64), ("stack", ctypes.c_uint64)]
    _fields_ += [("number", ctypes.c_uint64), ("arguments", ctypes.c_uint64 * 6), ("more", ctypes.c_uint64)]


class Filter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = [("steps", ctypes.c_ushort), ("program", ctypes.c_char_p)]


def filtered():
    """Has the system stop this process, and the program it becomes, at calls that may count and at no others: each stop costs more
    than most calls. Returns false where the system has no filters."""
    architecture, changes, opens, writes = CALLS[MACHINE]
    told = sorted(changes | writes)
    # Each step: what it does, how many steps it skips if so and if not, and with which number.
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUALS, 1, 0, architecture), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, NUMBER)]
    steps += [(EQUALS, len(told) + 3 - nth, 0, number) for nth, number in enumerate(told)]
    steps += [(EQUALS, 0, 2, opens), (LOAD, 0, 0, FLAGS), (HAS_BITS, 1, 0, os.O_CREAT)]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, TELL)]
    program = Filter(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    if libc.prctl(NO_NEW_PRIVILEGES, 1, None, 0, 0) != 0:
        return False
    return libc.prctl(SET_FILTER, FILTER, ctypes.addressof(program), 0, 0) == 0


def counts(thread, directory):
    """Whether the call at which this thread stands is one of those that are counted."""
    call = Call()
    libc.ptrace(CALL_INFO, thread, ctypes.sizeof(call), ctypes.addressof(call))
    if call.number not in CALLS[MACHINE][3]:
        return True
    try:
        return os.readlink(f"/proc/{thread}/fd/{call.arguments[0]}").startswith(directory)
    except FileNotFoundError:
        return False


def main():
    if sys.platform != "linux" or MACHINE not in CALLS:
        sys.exit(2)
    nth, directory, command = int(sys.argv[1]), os.path.realpath(sys.argv[2]), sys.argv[3:]
    made, begun = 0, False
    child = os.fork()
    if child == 0:
        if libc.ptrace(TRACEME, 0, None, None) != 0:
            os._exit(2)
        os.kill(os.getpid(), signal.SIGSTOP)
        if not filtered():
            os._exit(2)
        os.execv(command[0], command)
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFEXITED(status):
        sys.exit(2)
    libc.ptrace(SET_OPTIONS, child, None, FOLLOW_FORKS | FOLLOW_THREADS | TELL_EXEC | TELL_CALLS | END_WITH_ME)
    libc.ptrace(GO_ON, child, None, None)
    while True:
        thread, status = os.waitpid(-1, 0x40000000)  # __WALL: threads too.
        if thread == child and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            if not begun:
                sys.exit(2)
            if os.WIFSIGNALED(status):
                sys.exit(0)
            print(made)
            sys.exit(1)
        if not os.WIFSTOPPED(status):
            continue
        stopped, event, passed_on = os.WSTOPSIG(status), status >> 16, None
        begun |= event == EXECUTED
        if event == CALLED:
            made += counts(thread, directory)
            if made == nth > 0:
                os.kill(child, signal.SIGKILL)
        elif stopped not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = int(stopped)
        libc.ptrace(GO_ON, thread, None, passed_on)


main()
