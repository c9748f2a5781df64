# SPDX-License-Identifier: BSD-2-Clause
"""
A terminal for tests and for pictures: a program on a pty, and what it shows.

    with Terminal(["weir", "top"], rows=24, cols=80) as term:
        term.wait("SYN/s")
        term.press("2")
        print(term.text())
        term.svg("top.svg")

It knows as much of xterm's language as curses speaks to it; what it does not know is an
error, so that a screen is never believed that a real terminal would show otherwise.
"""
import fcntl
import html
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

PALETTE = ["#1c1f24", "#e05561", "#8cc265", "#d5a13f", "#4a82d0", "#c162de", "#42b3c2", "#d7dae0"]
FOREGROUND, BACKGROUND = "#d7dae0", "#1c1f24"


class Cell:
    __slots__ = ("ch", "fg", "bg", "bold", "dim", "reverse")

    def __init__(self, ch=" ", fg=None, bg=None, bold=False, dim=False, reverse=False):
        self.ch, self.fg, self.bg, self.bold, self.dim, self.reverse = ch, fg, bg, bold, dim, reverse

    def colors(self):
        fg = FOREGROUND if self.fg is None else PALETTE[self.fg]
        bg = BACKGROUND if self.bg is None else PALETTE[self.bg]
        return (bg, fg) if self.reverse else (fg, bg)

    def style(self):
        return self.colors() + (self.bold, self.dim)


class Unknown(Exception):
    """The program said something that this terminal does not understand."""


class Screen:
    """Bytes in, cells out."""

    CSI = re.compile(r"\x1b\[([?>!]?)([0-9;]*)([ -/]?)([@-~])")

    def __init__(self, rows, cols):
        self.alternate = False      # as after smcup: a program has the screen
        self.cursor_shown = True
        self.ever_colored = False
        self.pending = b""
        self.decoded = ""
        self.pen = {}
        self.last = " "
        self.size(rows, cols)

    def size(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.cells = [[Cell() for _ in range(cols)] for _ in range(rows)]
        self.row = self.col = 0
        self.top, self.bottom = 0, rows - 1

    # ---- what is shown

    def lines(self):
        return ["".join(c.ch for c in row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines()).rstrip() + "\n"

    # ---- what is said

    def feed(self, data):
        data = self.pending + data
        # UTF-8 that is not whole yet waits.
        cut = len(data)
        for back in range(1, min(4, len(data)) + 1):
            byte = data[-back]
            if byte >= 0xc0:
                need = 2 if byte < 0xe0 else 3 if byte < 0xf0 else 4
                if back < need:
                    cut = len(data) - back
                break
            if byte < 0x80:
                break
        self.pending = data[cut:]
        self.decoded += data[:cut].decode("utf-8", errors="replace")
        at = 0
        while at < len(self.decoded):
            step = self.one(self.decoded, at)
            if not step:
                break
            at += step
        self.decoded = self.decoded[at:]

    def one(self, s, at):
        """Handles what is at `at`; the characters taken, 0 when more must come first."""
        ch = s[at]
        if ch == "\x1b":
            return self.escape(s, at)
        if ch == "\r":
            self.col = 0
        elif ch == "\n":
            self.line_feed()
        elif ch == "\b":
            self.col = max(0, self.col - 1)
        elif ch == "\t":
            self.col = min(self.cols - 1, (self.col // 8 + 1) * 8)
        elif ch in "\x07\x0e\x0f":
            pass
        elif ch < " ":
            raise Unknown(f"control {ch!r}")
        else:
            self.put(ch)
        return 1

    def put(self, ch):
        if self.col >= self.cols:
            self.col = 0
            self.line_feed()
        self.cells[self.row][self.col] = Cell(ch, **self.pen)
        self.last = ch
        self.col += 1

    def line_feed(self):
        if self.row == self.bottom:
            self.scroll(1)
        elif self.row < self.rows - 1:
            self.row += 1

    def scroll(self, n):
        for _ in range(abs(n)):
            blank = [Cell() for _ in range(self.cols)]
            if n > 0:
                del self.cells[self.top]
                self.cells.insert(self.bottom, blank)
            else:
                del self.cells[self.bottom]
                self.cells.insert(self.top, blank)

    def escape(self, s, at):
        rest = s[at:at + 64]
        if len(rest) < 2:
            return 0
        if rest[1] == "[":
            found = self.CSI.match(rest)
            if not found:
                if len(rest) == 64:
                    raise Unknown(f"sequence {rest!r}")
                return 0
            self.control(*found.groups())
            return found.end()
        if rest[1] in "()":
            return 3 if len(rest) > 2 else 0
        if rest[1] == "M":  # reverse index
            if self.row == self.top:
                self.scroll(-1)
            else:
                self.row -= 1
        elif rest[1] not in "78=>":
            raise Unknown(f"escape {rest[:2]!r}")
        return 2

    def control(self, private, args, middle, final):
        n = [int(a) if a else 0 for a in args.split(";")]
        first = n[0] or 1
        if private or middle:
            return self.mode(private, n, final)
        if final == "m":
            return self.rendition(n)
        moves = {
            "H": lambda: self.move(n[0] or 1, n[1] if len(n) > 1 and n[1] else 1),
            "f": lambda: self.move(n[0] or 1, n[1] if len(n) > 1 and n[1] else 1),
            "d": lambda: self.move(first, self.col + 1),
            "G": lambda: self.move(self.row + 1, first),
            "A": lambda: self.move(self.row + 1 - first, self.col + 1),
            "B": lambda: self.move(self.row + 1 + first, self.col + 1),
            "C": lambda: self.move(self.row + 1, self.col + 1 + first),
            "D": lambda: self.move(self.row + 1, self.col + 1 - first),
            "J": lambda: self.erase_display(n[0]),
            "K": lambda: self.erase(self.row, *self.part(n[0])),
            "X": lambda: self.erase(self.row, self.col, self.col + first),
            "P": lambda: self.delete(first),
            "@": lambda: self.insert(first),
            "L": lambda: self.insert_lines(first),
            "M": lambda: self.insert_lines(-first),
            "S": lambda: self.scroll(first),
            "T": lambda: self.scroll(-first),
            "b": lambda: [self.put(self.last) for _ in range(first)],
            "r": lambda: self.region(n),
            "l": lambda: None,  # insert mode off
            "h": lambda: None,
            "t": lambda: None,  # the window's title
        }
        if final not in moves:
            raise Unknown(f"CSI {args}{final}")
        moves[final]()
        return None

    def mode(self, private, n, final):
        if private == "?" and final in "hl":
            if 1049 in n:
                self.alternate = final == "h"
            if 25 in n:
                self.cursor_shown = final == "h"

    def rendition(self, n):
        at = 0
        while at < len(n):
            v = n[at]
            if v == 0:
                self.pen = {}
            elif v == 1:
                self.pen = {**self.pen, "bold": True}
            elif v == 2:
                self.pen = {**self.pen, "dim": True}
            elif v == 7:
                self.pen = {**self.pen, "reverse": True}
            elif v == 22:
                self.pen = {k: p for k, p in self.pen.items() if k not in ("bold", "dim")}
            elif v == 27:
                self.pen = {k: p for k, p in self.pen.items() if k != "reverse"}
            elif 30 <= v <= 37 or 40 <= v <= 47:
                self.pen = {**self.pen, "fg" if v < 40 else "bg": v % 10}
                self.ever_colored = True
            elif v in (39, 49):
                self.pen = {k: p for k, p in self.pen.items() if k != ("fg" if v == 39 else "bg")}
            else:
                raise Unknown(f"rendition {n}")
            at += 1

    def move(self, row, col):
        self.row = min(max(row - 1, 0), self.rows - 1)
        self.col = min(max(col - 1, 0), self.cols - 1)

    def part(self, how):
        """Of a line: from the cursor on, up to it, all."""
        return (self.col, self.cols) if how == 0 else (0, self.col + 1) if how == 1 else (0, self.cols)

    def erase(self, row, start, end):
        bg = self.pen.get("bg")
        for col in range(start, min(end, self.cols)):
            self.cells[row][col] = Cell(bg=bg)

    def erase_display(self, how):
        self.erase(self.row, *self.part(how))
        for row in range(self.rows):
            if how == 2 or (how == 0 and row > self.row) or (how == 1 and row < self.row):
                self.erase(row, 0, self.cols)

    def delete(self, n):
        row = self.cells[self.row]
        del row[self.col:self.col + n]
        row += [Cell() for _ in range(self.cols - len(row))]

    def insert(self, n):
        row = self.cells[self.row]
        row[self.col:self.col] = [Cell() for _ in range(n)]
        del row[self.cols:]

    def insert_lines(self, n):
        top, self.top = self.top, self.row
        self.scroll(-n)
        self.top = top

    def region(self, n):
        self.top = (n[0] or 1) - 1
        self.bottom = (n[1] if len(n) > 1 and n[1] else self.rows) - 1
        self.move(1, 1)


class Terminal:
    """A program on a pty of its own. `wrap` puts something around its arguments."""

    def __init__(self, argv, rows=24, cols=80, env=None, wrap=lambda argv: argv):
        self.screen = Screen(rows, cols)
        self.raw = b""
        self.argv = wrap([str(a) for a in argv])
        self.env = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})}
        self.env.pop("NO_COLOR", None)
        self.env.update(env or {})

    def __enter__(self):
        self.fd, side = pty.openpty()
        self.set_size(self.screen.rows, self.screen.cols)
        self.before = termios.tcgetattr(side)
        self.side = side
        self.proc = subprocess.Popen(self.argv, stdin=side, stdout=side, stderr=side, env=self.env,
                                     start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        os.close(self.side)
        os.close(self.fd)

    def set_size(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def resize(self, rows, cols):
        self.read(0)
        self.screen.size(rows, cols)
        self.set_size(rows, cols)

    def read(self, seconds):
        """What comes within that time, until it stops coming."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            self.raw += data
            self.screen.feed(data)
            seconds = 0.02

    def press(self, keys):
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, sig):
        self.proc.send_signal(sig)

    def wait(self, wanted, seconds=10):
        """Until the text, or what a function of the screen's text says, is there."""
        there = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + seconds
        while True:
            self.read(0.05)
            if there(self.screen.text()):
                return self.screen.text()
            if time.monotonic() > deadline or self.proc.poll() is not None:
                raise TimeoutError(f"not on the screen: {wanted if isinstance(wanted, str) else wanted.__name__}"
                                   f" (status {self.proc.poll()}):\n{self.screen.text()}")

    def wait_end(self, seconds=10):
        """Its exit status; what it said last is on the screen."""
        deadline = time.monotonic() + seconds
        while self.proc.poll() is None:
            self.read(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"still runs:\n{self.screen.text()}")
        self.read(0.05)
        return self.proc.returncode

    def restored(self):
        """Whether the terminal is as it was before the program: modes, screen and cursor."""
        return (termios.tcgetattr(self.side) == self.before and not self.screen.alternate
                and self.screen.cursor_shown)

    def text(self):
        self.read(0)
        return self.screen.text()

    def svg(self, path, title="terminal"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(svg(self.screen, title))


def svg(screen, title):
    """The cells as a picture: runs of one style as text, backgrounds as rectangles."""
    width, height, pad = 8.4, 18, 12
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{screen.cols * width + 2 * pad:g}" '
           f'height="{screen.rows * height + 2 * pad}" font-family="DejaVu Sans Mono, Menlo, '
           f'Consolas, monospace" font-size="14">',
           f"<title>{html.escape(title)}</title>",
           f'<rect width="100%" height="100%" rx="6" fill="{BACKGROUND}"/>']
    for at, row in enumerate(screen.cells):
        y = pad + at * height
        for start, end, (fg, bg, bold, dim) in runs(row):
            text = "".join(c.ch for c in row[start:end])
            x, w = pad + start * width, (end - start) * width
            if bg != BACKGROUND:
                out.append(f'<rect x="{x:g}" y="{y}" width="{w:g}" height="{height}" fill="{bg}"/>')
            if text.strip():
                style = (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "")
                out.append(f'<text x="{x:g}" y="{y + 14}" fill="{fg}" xml:space="preserve" '
                           f'textLength="{w:g}"{style}>{html.escape(text)}</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def runs(row):
    start = 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row[end].style() != row[start].style():
            yield start, end, row[start].style()
            start = end
