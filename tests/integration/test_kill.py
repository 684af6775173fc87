"""Nothing is left, whenever and however a run is ended: on its own sandbox no process, port or
folder; on a cluster that stays, what `crumble heal` does not remove. The instants are drawn:
CRUMBLE_KILLS says how many, CRUMBLE_SEED repeats them."""
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import harness
from harness import BROKEN, HERE, PASS, UNHEALED, USAGE, events, named

SCENARIOS = HERE / "scenarios"
KILLS = int(os.environ.get("CRUMBLE_KILLS", "4"))
SEED = int(os.environ.get("CRUMBLE_SEED", random.randrange(1 << 32)))
NAME = "web-ha"


def processes(mark):
    """{pid: command} of all that carry `mark` in their environment or command line."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if mark in command or mark in (entry / "environ").read_bytes():
                found[int(entry.name)] = command.replace(b"\0", b" ")[:200].decode()
        except OSError:
            pass  # gone meanwhile
    return found


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            found = [int(word) for word in file.read().split()]
    except OSError:
        return []
    for child in list(found):
        found += children(child)
    return found


def await_true(test, timeout=60):
    deadline, pause = time.monotonic() + timeout, 0.01
    while not test():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.2)
    return True


class Kill(harness.Case):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.tmp = self.dir / "tmp"
        self.tmp.mkdir()
        self.mark = str(self.dir).encode()
        manifest = (SCENARIOS / "web.manifest.yaml").read_text()
        self.write("web.manifest.yaml", manifest.replace(
            "        env:\n", "        env:\n        - {name: TEST_DIR, value: %s}\n" % self.dir))
        text = (SCENARIOS / "web-ha.yaml").read_text()
        for old, new in (("baseline: 2s, faults: 8s", "baseline: 1s, faults: 4s"),
                         ("bites >= 3", "bites >= 1"),
                         ("deploy:\n", "deploy:\n" + self.command())):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.scenario = self.write("web-ha.yaml", text)
        self.environ = {**os.environ, "TMPDIR": str(self.tmp)}

    def command(self, undo="rm -f made"):
        return ("- name: tool\n  command: {argv: [sh, -c, 'touch made; sleep 1000 & sleep 0.2'],"
                " undo: [sh, -c, '%s'], timeout: 20s}\n" % undo)

    def begin(self, *more):
        # A session of its own: what ends the test's group must not end it.
        log = open(self.dir / "stderr.log", "a+")
        self.process = subprocess.Popen(
            [harness.CRUMBLE, "run", self.scenario, "--out", self.out, *more], cwd=self.dir,
            env=self.environ, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        log.close()
        self.addCleanup(self.end)
        return self.process

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def call(self, *args):
        done = subprocess.run([harness.CRUMBLE, *map(str, args)], cwd=self.dir, text=True,
                              env=self.environ, capture_output=True, timeout=240)
        self.stderr = done.stderr
        return done.returncode

    def staying(self):
        """A sandbox that outlives runs, elsewhere; kubectl knows it."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="crumble-stays-"))
        self.addCleanup(shutil.rmtree, folder, True)
        process = subprocess.Popen([harness.CRUMBLE, "sandbox", "--dir", folder],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   stdin=subprocess.DEVNULL)

        def end():
            if process.poll() is None:
                process.terminate()
            process.wait(60)
            process.stdout.close()

        self.addCleanup(end)
        self.assertEqual("ready", process.stdout.readline().split()[0])
        self.environ["KUBECONFIG"] = str(folder / "kubeconfig")
        return process

    def kubectl(self, *args, text=None):
        return subprocess.run(["kubectl", *args], text=True, input=text, env=self.environ,
                              capture_output=True, check=True).stdout

    def objects(self):
        names = self.kubectl("get", "deployments,services,configmaps", "-o", "name").split()
        return set(names) - {"service/kubernetes"}

    def foreign(self):
        """Objects of somebody else: with another run's label, and with none."""
        self.kubectl("create", "--validate=false", "-f", "-", text="""
apiVersion: v1
kind: ConfigMap
metadata: {name: theirs, labels: {crumble/run: another-run}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nobodys}
""")
        return self.objects()

    def assert_nothing_lives(self, what):
        self.assertTrue(await_true(lambda: not processes(self.mark)),
                        "%s: left: %s" % (what, processes(self.mark)))
        self.assertTrue(await_true(lambda: not os.listdir(self.tmp)),
                        "%s: left: %s" % (what, list(self.tmp.rglob("*"))))
        for event in named(events(self.out / NAME), "cluster"):
            if event["kind"] != "sandbox":
                continue
            where = urllib.parse.urlsplit(event["server"])
            with socket.socket() as probe:
                self.assertNotEqual(0, probe.connect_ex((where.hostname, where.port)), what)

    def length_of_a_run(self, *more):
        begin = time.monotonic()
        self.assert_code(PASS, self.begin(*more).wait(240))
        return time.monotonic() - begin

    def kill_at(self, after, *more):
        """SIGKILL to the runner alone; what the run was at."""
        process = self.begin(*more)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        told = events(self.out / NAME)
        what = "seed %d, killed after %.3f s, behind event %s; left" % (
            SEED, after, told[-1]["e"] if told else "none")
        ended = bool(named(told, "run.end"))
        junit = self.out / "junit.xml"
        if not ended and junit.exists():
            self.assertFalse(harness.all_pass(junit), what)
        return what

    def test_sigkill_on_its_own_sandbox(self):
        print("CRUMBLE_SEED=%d" % SEED, flush=True)
        length = self.length_of_a_run()
        self.assert_nothing_lives("a whole run")
        for _ in range(KILLS):
            shutil.rmtree(self.out, True)
            what = self.kill_at(self.random.uniform(0, length))
            self.assert_nothing_lives(what)
            if not (self.out / NAME / "journal.jsonl").exists():
                continue
            self.assertEqual(PASS, self.call("heal", self.out), what + self.stderr)
            self.assertFalse((self.dir / "made").exists(), what)

    def test_sigkill_on_a_cluster_that_stays(self):
        print("CRUMBLE_SEED=%d" % SEED, flush=True)
        sandbox = self.staying()
        foreign = self.foreign()
        more = ("--cluster", "kubeconfig")
        length = self.length_of_a_run(*more)
        self.assertEqual(foreign, self.objects())
        for i in range(KILLS):
            shutil.rmtree(self.out, True)
            what = self.kill_at(self.random.uniform(0, length), *more)
            left = named(events(self.out / NAME), "deploy.intent")
            done = [e for e in named(events(self.out / NAME), "undo.done") if e["ok"]]
            if len(left) > len(done):
                code = self.call("run", self.scenario, "--out", self.out, *more)
                self.assertEqual(USAGE, code, what)
                self.assertIn("crumble heal %s/%s" % (self.out, NAME), self.stderr)
            for _ in range(2 if (self.out / NAME / "journal.jsonl").exists() else 0):
                self.assertEqual(PASS, self.call("heal", self.out), what + self.stderr)
            self.assertEqual(foreign, self.objects(), what)
            self.assertFalse((self.dir / "made").exists(), what)
            self.assert_nothing_lives(what)
            self.assertTrue(await_true(lambda: not children(sandbox.pid)), what)

    def test_heal_first_goes_on(self):
        self.staying()
        self.begin("--cluster", "kubeconfig")
        self.await_event(NAME, lambda e: e["e"] == "bite.sent")
        self.process.kill()
        self.process.wait()
        self.assert_code(PASS, self.call("run", self.scenario, "--out", self.out, "--cluster",
                                         "kubeconfig", "--heal-first"))
        self.assertEqual(set(), self.objects())

    def end_by(self, number, code, phases):
        """The signal in each of the phases, on the cluster that stays: undone, and the code says it."""
        for phase in phases:
            shutil.rmtree(self.out, True)
            process = self.begin("--cluster", "kubeconfig")
            self.await_event(NAME, lambda e: e["e"] == "phase" and e["name"] == phase)
            process.send_signal(number)
            self.assertEqual(code, process.wait(60), phase + self.log())
            self.assertEqual(set(), self.objects(), phase)
            self.assertFalse((self.dir / "made").exists(), phase)
            self.assertFalse(harness.all_pass(self.out / "junit.xml"), phase)
            self.assert_nothing_lives(phase)

    def test_sigterm(self):
        self.staying()
        self.end_by(signal.SIGTERM, 143,
                    ("deploy", "baseline", "faults", "recovery", "teardown"))

    def test_sigint_and_sighup(self):
        self.staying()
        self.end_by(signal.SIGINT, 130, ("deploy", "faults"))
        shutil.rmtree(self.out)
        self.begin("--cluster", "kubeconfig")
        self.await_event(NAME, lambda e: e["e"] == "bite.sent")
        self.process.send_signal(signal.SIGHUP)  # a terminal or an agent that goes: as SIGTERM
        self.assert_code(143, self.process.wait(60))
        self.assertEqual(set(), self.objects())

    def test_stopped_and_continued(self):
        self.begin()
        self.await_event(NAME, lambda e: e["e"] == "bite.sent")
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(2)  # what is tested is a pause
        self.process.send_signal(signal.SIGCONT)
        self.assertIn(self.process.wait(120), (PASS, 1, BROKEN))
        self.assertTrue(named(events(self.out / NAME), "run.end"))
        self.assert_nothing_lives("stopped and continued")

    def test_two_runs_with_the_same_manifests(self):
        self.staying()
        self.begin("--cluster", "kubeconfig")
        self.await_event(NAME, lambda e: e["e"] == "phase" and e["name"] == "faults")
        before = self.kubectl("get", "deployment,service", "web", "-o",
                              "jsonpath={.items[*].metadata.uid}")
        other = self.dir / "other"
        self.assertEqual(BROKEN, self.call("run", self.scenario, "--out", other, "--cluster",
                                           "kubeconfig"), self.stderr)
        self.assertIn("exists already", self.stderr)
        after = self.kubectl("get", "deployment,service", "web", "-o",
                             "jsonpath={.items[*].metadata.uid}")
        self.assertEqual(before, after)
        self.assert_code(PASS, self.process.wait(120))
        self.assertEqual(set(), self.objects())

    def test_sigterm_when_pods_are_slow_to_go(self):
        """Whoever sent it kills after 20 s: what is left by then is said."""
        self.staying()
        path = self.dir / "web.manifest.yaml"
        path.write_text(path.read_text()
                        .replace("terminationGracePeriodSeconds: 2",
                                 "terminationGracePeriodSeconds: 30")
                        .replace("signal.signal(signal.SIGTERM, stop)",
                                 "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
        self.begin("--cluster", "kubeconfig")
        self.await_event(NAME, lambda e: e["e"] == "phase" and e["name"] == "baseline")
        self.process.send_signal(signal.SIGTERM)
        self.assert_code(UNHEALED, self.process.wait(120))
        self.assertIn("not gone 12 s after the signal", self.log())
        self.assertIn("crumble heal %s/%s" % (self.out, NAME), self.log())
        self.assert_code(PASS, self.call("heal", self.out))
        self.assertEqual(set(), self.objects())

    def test_undo_that_hangs(self):
        """Half a deploy is undone; an undo that hangs ends at its timeout with all it started."""
        text = pathlib.Path(self.scenario).read_text()
        begin = text.index("- name: tool")
        end = text.index("\n", text.index("command:"))
        argv = "[sh, -c, 'touch made; sleep 0.1; exit 3']"
        for undo, timeout, code in (("rm -f made", "20s", BROKEN),
                                    ("(setsid sleep 1000 &) ; sleep 1000", "2s", UNHEALED)):
            shutil.rmtree(self.out, True)
            self.write("web-ha.yaml", text[:begin] + (
                "- name: tool\n  command: {argv: %s, undo: [sh, -c, '%s'], timeout: %s}"
                % (argv, undo, timeout)) + text[end:])
            self.assert_code(code, self.begin().wait(120))
            self.assertEqual(code == UNHEALED, (self.dir / "made").exists())
            self.assert_nothing_lives(undo)
        self.assertIn("not done within 2000 ms", self.log())

    def lose_cluster(self, phase):
        shutil.rmtree(self.out, True)
        sandbox = self.staying()
        self.begin("--cluster", "kubeconfig")
        self.await_event(NAME, lambda e: e["e"] == "phase" and e["name"] == phase)
        if phase == "deploy":
            self.await_event(NAME, lambda e: e["e"] == "deploy.intent" and e["name"] == "stage")
        sandbox.kill()
        sandbox.wait()
        # A minute or two of trying is fine; hanging is not.
        self.assertEqual(UNHEALED, self.process.wait(300), phase + self.log())
        self.assertFalse(harness.all_pass(self.out / "junit.xml"))
        self.assertIn("crumble heal %s/%s" % (self.out, NAME), self.log())
        self.assertFalse((self.dir / "made").exists())
        self.assertEqual(UNHEALED, self.call("heal", self.out))

    def test_cluster_lost(self):
        phases = ("deploy", "teardown", "faults")  # a minute each: one, unless asked for more
        for phase in phases if "CRUMBLE_KILLS" in os.environ else phases[-1:]:
            self.lose_cluster(phase)
        # Another cluster: that nothing of ours is there says nothing of the one that was lost.
        self.staying()
        self.assertEqual(UNHEALED, self.call("heal", self.out), self.stderr)
        self.assertIn("another cluster", self.stderr)


if __name__ == "__main__":
    harness.main()
