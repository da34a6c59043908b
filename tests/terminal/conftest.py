"""A terminal that keeps what it shows: characters, line ends, and the few escapes that live displays use."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, field

TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b|[^\x1b]", re.DOTALL)
UNFINISHED = re.compile(r"\x1b(\[\??[\d;]*)?$")


@dataclass
class Screen:
    """All lines ever shown, on so many columns; `frames` are what was to be seen before lines were erased."""

    columns: int
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    frames: list[str] = field(default_factory=list)
    _left: str = ""
    _erasing: bool = False

    def feed(self, text: str) -> None:
        """Show what a program writes."""
        text = self._left + text
        cut = UNFINISHED.search(text)
        self._left = text[cut.start() :] if cut else ""
        for token in TOKEN.finditer(text[: cut.start()] if cut else text):
            if token[2]:
                self._obey(token[1], token[2])
            else:
                self._put(token[0])

    @property
    def text(self) -> str:
        """What is to be seen."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip()

    def _obey(self, numbers: str, letter: str) -> None:
        if letter in "AK" and not self._erasing and self.frames[-1:] != [self.text]:
            self.frames.append(self.text)
        self._erasing |= letter in "AK"
        if letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "K":
            assert numbers == "2", "a line is erased as a whole"
            self.lines[self.row] = ""
        else:
            assert letter in "mhl", (numbers, letter)  # colors, the cursor itself

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._down()
        else:
            self._erasing = False
            if self.column == self.columns:
                self.column = 0
                self._down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


def typed_on_a_terminal(words, columns, status=0, stdout=None):
    """Type a command where standard output and error are a terminal; return its screen.

    `stdout` is where standard output goes instead.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [sys.executable, "-m", "latentbench", *map(str, words)]
    output = its if stdout is None else stdout
    process = subprocess.Popen(command, stdin=its, stdout=output, stderr=its, env={**variables, "TERM": "xterm"})
    os.close(its)
    screen = Screen(columns)
    written = b""
    while True:
        try:
            piece = os.read(ours, 2**16)
        except OSError:  # the terminal is closed
            break
        *whole, written = (written + piece).splitlines(keepends=True) or [b""]
        screen.feed(b"".join(whole).decode())
    screen.feed(written.decode())
    os.close(ours)
    screen.frames.append(screen.text)
    assert process.wait() == status, screen.text
    return screen
