"""Bad input: each a line that says where and what to do, exit 2 or 3, and a JUnit file that says
so."""
import os
import subprocess
import time

import harness
from harness import BROKEN, USAGE, events, named

GOOD = """
name: good
phases: {{baseline: 0s, faults: 300ms, recovery: 100ms}}
verify:
- name: web
  http: {{url: "{url}"}}
  every: 50ms
"""

CLUSTERED = """
name: clustered
phases: {{baseline: 0s, faults: 1s, recovery: 1s}}
{more}
cookies:
- name: eat
  killpod: {{kind: deployment, name: web, interval: 1s}}
verify:
- name: web
  http: {{url: "http://127.0.0.1:9/"}}
  every: 100ms
"""

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: hunter2}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
"""


class BadInput(harness.Case):
    def refused(self, *args, says, code=USAGE, env=None):
        got, _, log = self.crumble("run", *args, "--out", self.out, env=env)
        self.assert_code(code, got)
        lines = [line for line in log.splitlines() if says in line]
        self.assertTrue(lines, "no line says %r:\n%s" % (says, log))
        errors = [case for suite in self.suites().values() for case in suite.values()
                  if case[0] == "error"]
        self.assertTrue(errors, "the JUnit file says nothing")
        return log

    def scenario(self, text, name="x.yaml"):
        return self.write(name, text)

    # ---- the file ----

    def test_missing_file(self):
        self.refused("nope.yaml", says="nope.yaml")
        self.assertIn("crumble.nope", self.suites())

    def test_not_yaml(self):
        self.refused(self.scenario("name: [\n"), says="x.yaml:2:")

    def test_unknown_key(self):
        self.refused(self.scenario(GOOD.format(url="http://127.0.0.1:9/") + "cookeys: []\n"),
                     says="did you mean")

    def test_duration_without_unit(self):
        self.refused(self.scenario(GOOD.format(url="http://127.0.0.1:9/")
                                   .replace("300ms", "300")), says="is not a duration")

    def test_flase(self):
        self.refused(self.scenario(CLUSTERED.format(more="").replace(
            "interval: 1s", "interval: 1s, guard: flase")), says="flase")

    def test_all_mistakes_at_once_and_nothing_is_run(self):
        web = self.web()
        good = self.scenario(GOOD.format(url=web.url), "good.yaml")
        bad = self.scenario("name: bad\nverfy: []\nphases: {baseline: 3}\n", "bad.yaml")
        log = self.refused(good, bad, says="verfy")
        self.assertIn("is not a duration", log)
        self.assertEqual(0, web.hits)
        self.assertIn("crumble.good", self.suites())
        self.assertFalse((self.out / "good").exists())

    def test_two_of_one_name(self):
        text = GOOD.format(url="http://127.0.0.1:9/")
        self.refused(self.scenario(text, "a.yaml"), self.scenario(text, "b.yaml"),
                     says="is the name of")

    def test_folder_without_a_scenario(self):
        (self.dir / "empty").mkdir()
        self.refused("empty", says="no scenario")

    # ---- the place ----

    def test_folder_that_is_no_record(self):
        path = self.scenario(GOOD.format(url="http://127.0.0.1:9/"))
        (self.out / "good").mkdir(parents=True)
        (self.out / "good" / "thesis.tex").write_text("precious")
        self.refused(path, says="no record of a run")
        self.assertEqual("precious", (self.out / "good" / "thesis.tex").read_text())

    def test_file_in_place_of_the_folder(self):
        path = self.scenario(GOOD.format(url="http://127.0.0.1:9/"))
        self.out.mkdir()
        (self.out / "good").write_text("precious")
        self.refused(path, says="no record of a run")
        self.assertEqual("precious", (self.out / "good").read_text())

    def test_out_that_cannot_be_made(self):
        path = self.scenario(GOOD.format(url="http://127.0.0.1:9/"))
        code, _, log = self.crumble("run", path, "--out", "/proc/nope")
        self.assert_code(USAGE, code)
        self.assertIn("--out /proc/nope", log)
        self.assertEqual("crumble: REFUSED (exit 2)  without a report", log.splitlines()[-1])

    def open_record(self, cluster):
        """The record of a run that died with a deployment on a cluster."""
        folder = self.out / "good"
        folder.mkdir(parents=True)
        crcs = []
        for event in ('{"t":0,"e":"run","format":1,"id":"r-1","wall_ns":1,"scenario":"good",'
                      '"cluster":{"kind":"%s"}}' % cluster,
                      '{"t":1,"e":"deploy.intent","name":"stage","deployer":"manifests",'
                      '"undo":{"objects":[]}}'):
            crcs.append("%08x %s\n" % (crc32c(event.encode()), event))
        (folder / "journal.jsonl").write_text("".join(crcs))

    def test_something_open(self):
        path = self.scenario(GOOD.format(url="http://127.0.0.1:9/"))
        self.open_record("kubeconfig")
        self.refused(path, says="deployment stage")
        self.assertEqual(2, len(events(self.out / "good")), "the record stays")

    def test_what_stood_on_an_own_sandbox_does_not_count(self):
        web = self.web()
        path = self.scenario(GOOD.format(url=web.url))
        self.open_record("sandbox")
        code, _, _ = self.crumble("run", path, "--out", self.out)
        self.assert_code(BROKEN, code)
        self.assertEqual("run.end", events(self.out / "good")[-1]["e"])

    def test_heal_without_the_cluster_says_what_is_left(self):
        self.open_record("kubeconfig")
        code, _, log = self.crumble("heal", self.out, env={"KUBECONFIG": self.write(
            "kubeconfig", KUBECONFIG)})
        self.assert_code(harness.UNHEALED, code)
        self.assertIn("127.0.0.1:9", log)

    def test_damaged_journal(self):
        path = self.scenario(GOOD.format(url="http://127.0.0.1:9/"))
        self.open_record("sandbox")
        journal = self.out / "good" / "journal.jsonl"
        journal.write_text(journal.read_text().replace("stage", "stagx"))
        with journal.open("a") as file:
            file.write("00000000 {}\n")
        self.refused(path, says="damaged")
        code, _, log = self.crumble("heal", self.out)
        self.assert_code(harness.UNHEALED, code)
        self.assertIn("crumble/run=r-1", log)

    # ---- the cluster ----

    def test_unreachable_cluster(self):
        path = self.scenario(CLUSTERED.format(more=""))
        config = self.write("kubeconfig", KUBECONFIG)
        log = self.refused(path, "--cluster", "kubeconfig", says="https://127.0.0.1:9",
                           code=BROKEN, env={"KUBECONFIG": config})
        self.assertNotIn("hunter2", log)

    def test_unknown_context(self):
        path = self.scenario(CLUSTERED.format(more=""))
        self.refused(path, "--cluster", "kubeconfig:nowhere", says="nowhere", code=USAGE,
                     env={"KUBECONFIG": self.write("kubeconfig", KUBECONFIG)})

    def test_no_kubeconfig(self):
        path = self.scenario(CLUSTERED.format(more=""))
        self.refused(path, "--cluster", "kubeconfig", says="absent", code=USAGE,
                     env={"KUBECONFIG": str(self.dir / "absent")})

    def test_in_cluster_elsewhere(self):
        path = self.scenario(CLUSTERED.format(more=""))
        self.refused(path, "--cluster", "in-cluster", says="cluster", code=USAGE)

    def test_cluster_word(self):
        path = self.scenario(CLUSTERED.format(more=""))
        code, _, log = self.crumble("run", path, "--cluster", "production")
        self.assert_code(USAGE, code)
        self.assertIn("--cluster production", log)

    # ---- what is deployed ----

    def test_manifest_with_a_syntax_error(self):
        self.write("web.yaml", "apiVersion: v1\nkind: ConfigMap\n  metadata: {name: x}\n")
        path = self.scenario(CLUSTERED.format(
            more="deploy:\n- name: stage\n  manifests: {files: [web.yaml]}"))
        self.refused(path, says="web.yaml:3:")

    def command(self, deploy, undo):
        return self.scenario(GOOD.format(url="http://127.0.0.1:9/") + (
            "deploy:\n- name: stage\n  command: {argv: %s, undo: %s}\n" % (deploy, undo)))

    def test_command_that_fails_is_undone(self):
        path = self.command("[sh, -c, 'touch made; echo no disk >&2; exit 3']",
                            "[rm, made]")
        self.refused(path, says="no disk", code=BROKEN)
        self.assertFalse((self.dir / "made").exists())
        told = events(self.out / "good")
        self.assertFalse(named(told, "deploy.done")[0]["ok"])
        self.assertTrue(named(told, "undo.done")[0]["ok"])
        self.assertEqual("pass", self.suites()["crumble.good"]["nothing left behind"][0])

    def test_undo_that_fails_is_exit_4_until_healed(self):
        path = self.command("[touch, made]", "[rm, made, key]")
        code, _, log = self.crumble("run", path, "--out", self.out)
        self.assert_code(harness.UNHEALED, code)
        self.assertIn("crumble heal", log)
        self.write("made", "")
        self.write("key", "")
        code, _, _ = self.crumble("heal", self.out)
        self.assert_code(0, code)
        self.assertFalse((self.dir / "made").exists())
        code, _, _ = self.crumble("heal", self.out)
        self.assert_code(0, code)

    def test_no_such_program(self):
        self.refused(self.command("[no-such-program]", "['true']"), says="no-such-program",
                     code=BROKEN)

    # ---- the disk ----

    def test_full_disk(self):
        small = self.dir / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small],
                          capture_output=True).returncode:
            self.skipTest("a small file system needs root")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        web = self.web()
        path = self.scenario(GOOD.format(url=web.url).replace("300ms", "60s")
                             .replace("50ms", "10ms"))
        self.out = small / "out"
        process = self.start("run", path, "--out", self.out)
        self.await_event("good", lambda e: e["e"] == "phase" and e["name"] == "faults")
        # Checkpoints give back space that was set aside for them: fill until the record is hit.
        fd = os.open(small / "filler", os.O_WRONLY | os.O_CREAT)
        deadline = time.monotonic() + 60
        while "record: " not in self.log() and time.monotonic() < deadline:
            try:
                os.write(fd, b"x" * 4096)
            except OSError:
                time.sleep(0.005)
        os.close(fd)
        self.assert_code(BROKEN, process.wait(60))
        self.assertIn("No space left", self.log())
        cases = self.suites("good/junit.xml")["crumble.good"]
        self.assertEqual("error", cases["run completed"][0])
        self.assertIn("No space left", cases["run completed"][2])
        self.assertIn("crumble: BROKEN (exit 3)", self.log().splitlines()[-1])


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


if __name__ == "__main__":
    harness.main()
