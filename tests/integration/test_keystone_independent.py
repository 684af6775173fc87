"""Somebody else looks too: a sampler that shares nothing with Crumble watches the same Keystone
while its only replica is eaten, and must agree with the outage in the report, within the bounds of
both. The same scenario without its cookie says nothing, and must not say PASS."""
import os
import socket
import subprocess
import threading
import time

import harness
from harness import BROKEN, FAIL, CRUMBLE, events, named

SCENARIOS = harness.HERE.parent.parent / "scenarios"
PERIOD = 0.05
TIMEOUT = 1.0


class Sampler:
    """GET /v3 twenty times a second, each on a connection and a thread of its own."""

    def __init__(self, host, port):
        self.address = (host, port)
        self.samples = []  # (sent, ok), wall clock
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        due = time.monotonic()
        while not self.stop.wait(max(0, due - time.monotonic())):
            threading.Thread(target=self.one, daemon=True).start()
            due += PERIOD

    def one(self):
        sent = time.time()
        ok = self.ask(time.monotonic() + TIMEOUT)
        with self.lock:
            self.samples.append((sent, ok))

    def ask(self, deadline):
        answer = b""
        try:
            with socket.create_connection(self.address, TIMEOUT) as s:
                s.sendall(b"GET /v3 HTTP/1.0\r\nHost: keystone\r\n\r\n")
                while True:
                    s.settimeout(max(0.001, deadline - time.monotonic()))
                    got = s.recv(65536)
                    if not got:
                        break
                    answer += got
        except OSError:
            return False
        return b" 200 " in answer[:20] and answer.rstrip().endswith(b"}")

    def end(self):
        self.stop.set()
        self.thread.join()
        time.sleep(TIMEOUT)  # those that are under way
        with self.lock:
            return sorted(self.samples)


def outages(samples):
    """[(begin, min, max)] by the times of sending, as measuring is described in the README."""
    found = []
    last_ok = None
    bad = []
    for sent, ok in samples:
        if not ok:
            bad.append(sent)
            continue
        if bad and last_ok is not None:
            found.append((bad[0], bad[-1] - bad[0], sent - last_ok))
        bad = []
        last_ok = sent
    return found


class Independent(harness.Case):
    def setUp(self):
        super().setUp()
        deps = harness.BUILD / "deps" / "usr" / "bin"
        source = harness.HERE.parent.parent / "build" / "deps" / "usr" / "bin"
        path = ":".join([str(deps), str(source), os.environ["PATH"], "/usr/sbin", "/sbin"])
        self.env = {**os.environ, "PATH": path}

    def sandbox(self):
        """One that outlives the run, so that somebody else can ask it where Keystone is."""
        folder = self.dir / "sandbox"
        process = subprocess.Popen([CRUMBLE, "sandbox", "--dir", folder], env=self.env,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        deadline = time.monotonic() + 20
        while not (folder / "kubeconfig").exists():
            self.assertLess(time.monotonic(), deadline, "no sandbox")
            time.sleep(0.02)
        self.env["KUBECONFIG"] = str(folder / "kubeconfig")

    def begin(self, scenario):
        log = open(self.dir / "stderr.log", "w")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [CRUMBLE, "run", scenario, "--cluster", "kubeconfig", "--out", self.out],
            env=self.env, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def service(self):
        done = subprocess.run(["kubectl", "get", "service", "keystone", "-o",
                               "jsonpath={.spec.clusterIP}"], env=self.env, text=True,
                              capture_output=True, timeout=30)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def phase(self, name, mark):
        event = [e for e in named(events(self.out / "keystone-weak"), "phase")
                 if (e["name"], e["mark"]) == (name, mark)][0]
        return event["t"]

    def test_it_agrees(self):
        self.sandbox()
        process = self.begin(str(SCENARIOS / "keystone-weak.yaml"))
        self.await_event("keystone-weak", lambda e: (e["e"], e.get("name"), e.get("mark")) ==
                         ("phase", "baseline", "begin"), timeout=150)
        sampler = Sampler(self.service(), 5000)
        self.await_event("keystone-weak", lambda e: (e["e"], e.get("name"), e.get("mark")) ==
                         ("phase", "recovery", "end"), timeout=120)
        samples = sampler.end()
        self.assert_code(FAIL, process.wait(60))

        run = named(events(self.out / "keystone-weak"), "run")[0]
        t0 = run["wall_ns"] / 1e9
        first = t0 + self.phase("faults", "begin") / 1e9
        last = t0 + self.phase("recovery", "end") / 1e9
        mine = outages([s for s in samples if first <= s[0] < last])
        report = self.report("keystone-weak")
        theirs = [o for o in report["outages"] if o["verifier"] == "api"]
        self.assertEqual(1, len(mine), mine)
        self.assertEqual(1, len(theirs), theirs)
        self.agree(mine[0], theirs[0], t0)
        self.blames_the_bite(theirs[0])

    def agree(self, mine, theirs, t0):
        begin, low, high = mine
        self.assertGreater(low, 2.0)
        self.assertLessEqual(theirs["min"] / 1e9, high, (mine, theirs))
        self.assertGreaterEqual(theirs["max"] / 1e9, low, (mine, theirs))
        self.assertAlmostEqual(t0 + theirs["begin"] / 1e9, begin, delta=3 * PERIOD + 0.1)

    def blames_the_bite(self, outage):
        self.assertEqual(["eat-the-last/1"], outage["bites"])
        self.assertEqual("caused", outage["class"])
        verdict, _, message = self.suites()["crumble.keystone-weak"]["api longest_outage"]
        self.assertEqual("failure", verdict)
        self.assertIn("eat-the-last/1", message)

    def test_without_its_cookie_it_is_broken(self):
        text = (SCENARIOS / "keystone-weak.yaml").read_text()
        head, rest = text.split("cookies:\n")
        text = head + "verify:\n" + rest.split("verify:\n")[1]
        for key in ("file: ", "files: ["):
            text = text.replace(key + "keystone/", "%s%s/keystone/" % (key, SCENARIOS))
        done = subprocess.run([CRUMBLE, "run", self.write("bare.yaml", text), "--out", self.out],
                              env=self.env, text=True, capture_output=True, timeout=200)
        self.stderr = done.stderr
        self.assert_code(BROKEN, done.returncode)
        cases = self.suites()["crumble.keystone-weak"]
        self.assertEqual("error", cases["run completed"][0])


if __name__ == "__main__":
    harness.main()
