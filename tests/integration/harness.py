"""What the integration tests share: the binary, a folder of one's own, a web server, a record."""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("CRUMBLE_BUILD", HERE.parent.parent / "build"))
CRUMBLE = str(BUILD / "crumble")
PASS, FAIL, USAGE, BROKEN, UNHEALED = range(5)


class Web:
    """A web server on a free loopback port; `status` is what it answers."""

    def __init__(self):
        web = self
        self.status = 200
        self.hits = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                web.hits += 1
                self.send_response(web.status)
                self.send_header("Content-Length", "3")
                self.end_headers()
                self.wfile.write(b"ok\n")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # whoever is killed hangs up
        self.url = "http://127.0.0.1:%d/" % self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="crumble-it-"))
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.out = self.dir / "out"

    def web(self):
        web = Web()
        self.addCleanup(web.close)
        return web

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return str(path)

    def crumble(self, *args, env=None, timeout=240):
        """Runs it to its end: code, stdout, stderr."""
        done = subprocess.run([CRUMBLE, *map(str, args)], cwd=self.dir, text=True,
                              capture_output=True, timeout=timeout,
                              env={**os.environ, **(env or {})})
        self.stderr = done.stderr
        return done.returncode, done.stdout, done.stderr

    def start(self, *args):
        """Begins it; ended at the end of the test, whatever happens."""
        log = open(self.dir / "stderr.log", "w+")
        process = subprocess.Popen([CRUMBLE, *map(str, args)], cwd=self.dir, stderr=log,
                                   stdout=subprocess.DEVNULL)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            log.close()

        self.addCleanup(end)
        return process

    def await_event(self, name, test, timeout=60):
        """Waits until the journal of OUT/name holds an event that `test` likes."""
        deadline = time.monotonic() + timeout
        pause = 0.005
        while time.monotonic() < deadline:
            for event in events(self.out / name):
                if test(event):
                    return event
            time.sleep(pause)
            pause = min(pause * 2, 0.1)
        self.fail("no such event in %s s; log: %s" % (timeout, self.log()))

    def await_file(self, path, timeout=60):
        deadline = time.monotonic() + timeout
        while not path.exists():
            if time.monotonic() > deadline:
                self.fail("no %s in %s s; log: %s" % (path, timeout, self.log()))
            time.sleep(0.01)

    def log(self):
        path = self.dir / "stderr.log"
        return path.read_text() if path.exists() else getattr(self, "stderr", "")

    def suites(self, path="junit.xml"):
        """{suite: {case: (verdict, type, message)}} of a JUnit file."""
        return suites(self.out / path)

    def report(self, name):
        return json.loads((self.out / name / "report.json").read_text())

    def assert_code(self, expected, actual):
        self.assertEqual(expected, actual, "exit code; log:\n" + self.log())


def suites(path):
    root = ET.parse(path).getroot()
    result = {}
    for suite in root:
        cases = result.setdefault(suite.get("name"), {})
        for case in suite.iter("testcase"):
            verdict = ("pass", None, None)
            for tag in ("failure", "error", "skipped"):
                found = case.find(tag)
                if found is not None:
                    verdict = (tag, found.get("type"), found.get("message"))
            cases[case.get("name")] = verdict
    return result


def all_pass(path):
    return all(verdict[0] in ("pass", "skipped")
               for cases in suites(path).values() for verdict in cases.values())


def events(folder):
    """The whole lines of a journal; none if there is no such file."""
    try:
        data = (pathlib.Path(folder) / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    lines = data.split(b"\n")[:-1]
    return [json.loads(line[9:]) for line in lines]


def named(all_events, name):
    return [event for event in all_events if event["e"] == name]


def main():
    unittest.main()
