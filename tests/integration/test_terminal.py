"""On a terminal: a footer while it runs, and a clean screen at the end, however it ends."""
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import fcntl
import time

import harness
from harness import PASS

WIDTH = 60


class Screen:
    """As much of a terminal as the runner may rely on; anything else is an error."""

    def __init__(self):
        self.lines, self.row, self.column, self.colours = [""], 0, 0, 0

    def put(self, char):
        if self.column == WIDTH:
            self.row, self.column = self.row + 1, 0
        while len(self.lines) <= self.row:
            self.lines.append("")
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += 1

    def feed(self, text):
        for escape, char in re.findall(r"(\x1b\[[0-9;]*[A-Za-z])|([^\x1b])", text, re.S):
            if escape == "\x1b[1A":
                self.row = max(self.row - 1, 0)
            elif escape == "\x1b[2K":
                self.lines[self.row] = ""
            elif escape.endswith("m"):
                self.colours += 1
            elif escape:
                raise AssertionError("an escape that not every terminal knows: %r" % escape)
            elif char == "\n":
                self.row += 1
                while len(self.lines) <= self.row:
                    self.lines.append("")
            elif char == "\r":
                self.column = 0
            else:
                self.put(char)


class Terminal(harness.Case):
    def setUp(self):
        super().setUp()
        scenarios = harness.HERE / "scenarios"
        shutil.copy(scenarios / "web.manifest.yaml", self.dir)
        text = (scenarios / "web-ha.yaml").read_text()
        for old, new in (("baseline: 2s", "baseline: 1s"), ("faults: 8s", "faults: FAULTS"),
                         ("interval: 2s", "interval: 1s"), ("bites >= 3", "bites >= 1")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.text = text
        self.screen, self.footer = Screen(), ""

    def run_there(self, args, on_footer=None, env={}):
        """Its exit status; the screen is in self.screen, all that was written in self.written."""
        pid, fd = pty.fork()
        if not pid:
            os.chdir(self.dir)
            os.environ.update({"TERM": "xterm", **env})
            os.execv(harness.CRUMBLE, [harness.CRUMBLE, *args])
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self.written, code = "", None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(fd, 65536).decode()
            except OSError:
                data = ""
            if not data:
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                break
            self.written += data
            self.screen.feed(data)
            if on_footer and re.search(r"faults \d+ s, \d+ s left; bites", self.written):
                on_footer(fd)
                on_footer = None
        if code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(fd)
        self.stderr = "\n".join(self.screen.lines)
        return code

    def clean(self):
        """Only whole log lines are left, and nothing of the footer."""
        lines = [line for line in self.screen.lines if line.strip()]
        self.assertFalse([line for line in lines if "awaiting a pod" in line], self.stderr)
        self.assertFalse([line for line in lines if "^C" in line], self.stderr)
        self.assertFalse([line for line in lines if re.match(r" +\[ +\d", line)], self.stderr)
        self.assertRegex(lines[-1], r"^crumble: [A-Z]+ \(exit \d+\)  ")
        self.assertNotIn("\x1b[?", self.written)

    def test_footer_and_a_clean_end(self):
        path = self.write("web-ha.yaml", self.text.replace("FAULTS", "3s"))
        self.assert_code(PASS, self.run_there(["run", path, "--out", "out"]))
        self.assertRegex(self.written, r"faults \d+ s, \d+ s left; bites \d+, proved \d+")
        self.assertRegex(self.written, r"web: \d+\.\d\d% ok, p99 \d+ ms")
        self.assertGreater(self.screen.colours, 0)
        self.clean()

    def test_ctrl_c(self):
        path = self.write("web-ha.yaml", self.text.replace("FAULTS", "60s"))
        self.assert_code(130, self.run_there(["run", path, "--out", "out"],
                                             lambda fd: os.write(fd, b"\x03"),
                                             {"NO_COLOR": "1"}))
        self.assertIn("SIGINT: stopping, healing, reporting", self.stderr)
        self.assertEqual(0, self.screen.colours)
        self.clean()

    def test_dumb_terminal(self):
        path = self.write("web-ha.yaml", self.text.replace("FAULTS", "3s"))
        self.assert_code(PASS, self.run_there(["run", path, "--out", "out"], None,
                                              {"TERM": "dumb"}))
        self.assertNotIn("\x1b", self.written)
        self.clean()


if __name__ == "__main__":
    harness.main()
