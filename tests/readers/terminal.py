"""Runs a program on a terminal of 80 columns and 24 lines: terminal.py WHEN SIGNALS PROGRAM [ARGUMENT…]. Once the screen shows WHEN,
so many SIGINTs are sent at once. Prints as JSON the exit code, every screen that was shown, and the last one.

It knows the few movements of the cursor that progress lines are drawn with, and fails on any other.
"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
import time

COLUMNS, LINES = 80, 24
MOVE = re.compile(r"\x1b\[(\d*)([A-Za-z])")


class Screen:
    def __init__(self):
        self.rows, self.row, self.column, self.rest = [[]], 0, 0, ""

    def feed(self, text):
        text, at = self.rest + text, 0
        while at < len(text):
            if text[at] == "\x1b":
                found = MOVE.match(text, at)
                if not found:
                    break
                self.move(int(found[1] or 1), found[2], found[1])
                at = found.end()
            else:
                self.put(text[at])
                at += 1
        self.rest = text[at:]

    def move(self, by, kind, written):
        if kind == "A":
            self.row = max(self.row - by, 0)
        elif kind == "B":
            self.down(by)
        elif kind == "C":
            self.column += by
        elif kind == "D":
            self.column = max(self.column - by, 0)
        elif kind == "K":
            assert written == "2", written
            self.rows[self.row] = []
        elif kind == "J":
            self.rows[self.row] = self.rows[self.row][: self.column]
            del self.rows[self.row + 1 :]
        elif kind != "m":
            raise SystemExit(f"an unknown movement: {kind}")

    def down(self, by):
        self.row += by
        while len(self.rows) <= self.row:
            self.rows.append([])

    def put(self, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.down(1)
        else:
            if self.column >= COLUMNS:
                self.column = 0
                self.down(1)
            row = self.rows[self.row]
            row.extend(" " * (self.column - len(row)))
            row[self.column : self.column + 1] = [letter]
            self.column += 1

    def shown(self):
        return ["".join(row).rstrip() for row in self.rows]


def main(when, signals, *command):
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm"
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    screen, screens, left = Screen(), [], int(signals)
    while True:
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not chunk:
            break
        screen.feed(chunk.decode(errors="replace"))
        shown = screen.shown()
        if not screens or shown != screens[-1]:
            screens.append(shown)
        if left and any(when in line for line in shown):
            for _ in range(left):
                os.kill(child, signal.SIGINT)
                time.sleep(0.01)
            left = 0
    _, status = os.waitpid(child, 0)
    print(json.dumps({"exit": os.waitstatus_to_exitcode(status), "screens": screens, "last": screen.shown()}))


main(*sys.argv[1:])
