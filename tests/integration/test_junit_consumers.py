"""Records written by a second, independent hand (the format as documented), reported by the real
binary, and read by the consumers that matter: xmllint with our schema, junitparser, xmlstarlet,
ruby's ActiveSupport (what GitLab builds on), jsonschema; and compared with golden files.

CRUMBLE_GOLDEN=write writes the golden files anew: look at the difference before committing it."""
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CRUMBLE = os.path.join(os.environ.get("CRUMBLE_BUILD", os.path.join(ROOT, "build")), "crumble")
GOLDEN = os.path.join(ROOT, "tests", "golden")
PYTHON = "/usr/bin/python3"  # the one that has Debian's modules
S = 10**9
OK, REFUSED = 0, 1

TABLE = []
for i in range(256):
    crc = i
    for _ in range(8):
        crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    TABLE.append(crc)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Record:
    def __init__(self, folder, name):
        self.dir = os.path.join(folder, name)
        os.makedirs(os.path.join(self.dir, "samples"))
        self.name = name
        self.lines = []
        self.event(0, "run", format=1, id="20261124t145310z-%s-3f9a" % name, scenario=name,
                   title="Told by \x1b[31ma second hand\x1b[0m", file="scenarios/%s.yaml" % name,
                   wall="2026-11-24T14:53:10Z", wall_ns=1795531990 * S, tool="0.1.0", commit="abc",
                   sha256="00", seed="7", host="ci-7", cluster={"kind": "sandbox"},
                   phases={"baseline": 10 * S, "faults": 30 * S, "recovery": 10 * S})
        self.event(0, "cookie", name="eat", kind="killpod", mark="plan", line=9, instant=True,
                   settle=5 * S)
        self.event(0, "expect", of="eat", role="cookie", text="bites >= 1", line=0, default=True)
        self.event(0, "verifier", name="token", kind="http", mark="plan", line=14, finite=False,
                   control=False, period=S // 10, timeout=2 * S, flap=1,
                   phases=["baseline", "faults", "recovery"])
        for line, text in enumerate(["availability >= 99.5%", "longest_outage <= 2s",
                                     "p99 <= 2s during faults"], 16):
            self.event(0, "expect", of="token", role="verifier", text=text, line=line)

    def event(self, t, e, **keys):
        text = json.dumps({"t": t, "e": e, **keys}, separators=(",", ":")).encode()
        self.lines.append(b"%08x %s\n" % (crc32c(text), text))

    def phase(self, t, name, mark):
        self.event(t, "phase", name=name, mark=mark)

    def bite(self, n, sent):
        target = {"kind": "pod", "namespace": "openstack", "name": "api-%d" % n, "uid": "u%d" % n,
                  "workload": {"kind": "deployment", "name": "api"}}
        bite = "eat/%d" % n
        self.event(sent - 1000, "bite.intent", bite=bite, cookie="eat", due=sent - 2000,
                   targets=[target])
        self.event(sent, "bite.sent", bite=bite)
        self.event(sent + 5000000, "bite.done", bite=bite, ok=True)
        self.event(sent + S // 5, "bite.proof", bite=bite, verdict="proved",
                   evidence="UID u%d is gone" % n)
        self.event(sent + S // 5, "target", bite=bite, target=0, state="gone")
        self.event(sent + 3 * S, "target", bite=bite, target=0, state="ready",
                   name="api-n%d" % n, uid="n%d" % n)

    def samples(self, bad=()):
        self.event(0, "verifier", name="token", mark="begin", file="token.samples")
        self.event(0, "detail", verifier="token", number=1, text="connect: Connection refused")
        rows = []
        for seq in range(500):
            due = seq * S // 10
            is_bad = any(a <= due < b for a, b in bad)
            rows.append(struct.pack("<qIIIHHBBHI", due, 100, 20000, 20000, 0 if is_bad else 200,
                                    1 if is_bad else 0, REFUSED if is_bad else OK, 1, 0, seq))
        rows[7], rows[300] = rows[300], rows[7]  # completion order is not due order
        with open(os.path.join(self.dir, "samples", "token.samples"), "wb") as f:
            f.write(struct.pack("<8sIIqq32s", b"CRSAMP1\n", 0x01020304, 32, 1795531990 * S,
                                S // 10, b"token"))
            for at in range(0, 500, 200):
                block = rows[at:at + 200]
                head = struct.pack("<I", len(block)), block[0][:8]
                body = b"".join(block)
                f.write(head[0] + struct.pack("<I", crc32c(head[0] + head[1] + body)) + head[1] + body)

    def chaos(self, bad=(), bites=(12 * S, 24 * S)):
        self.event(0, "preflight", ok=True, message="")
        self.phase(0, "baseline", "begin")
        self.samples(bad)
        self.phase(10 * S, "baseline", "end")
        self.event(10 * S, "gate", ok=True, message="")
        self.phase(10 * S, "faults", "begin")
        for n, sent in enumerate(bites, 1):
            self.bite(n, sent)
        if not bites:
            self.event(11 * S, "bite.skip", cookie="eat", due=11 * S,
                       reason="only one pod available, doing nothing",
                       workload={"kind": "deployment", "namespace": "openstack", "name": "api"})

    def end(self):
        self.phase(40 * S, "faults", "end")
        self.phase(40 * S, "recovery", "begin")
        self.phase(50 * S, "recovery", "end")
        self.sweep(52 * S)

    def sweep(self, t):
        self.phase(t, "sweep", "begin")
        self.event(t, "sweep", ok=True, message="", left=[])
        self.phase(t, "sweep", "end")
        self.event(t + S, "run.end", verdict="PASS", exit=0)

    def close(self):
        with open(os.path.join(self.dir, "journal.jsonl"), "wb") as f:
            f.write(b"".join(self.lines))
        return self.dir


def passing(r):
    r.chaos()
    r.end()


def failing(r):
    r.chaos(bad=[(121 * S // 10, 15 * S)])
    r.end()


def broken(r):
    r.chaos(bites=())
    r.end()


def aborted(r):
    r.chaos(bites=(12 * S,))
    r.event(20 * S, "signal", signal=15, name="SIGTERM")
    r.sweep(21 * S)


def killed(r):
    r.chaos(bites=(12 * S,))


def planned(r):
    del r


# verdict and exit, then what consumers must count: tests, failures, errors, skipped
RUNS = {
    "passing": (passing, "PASS", 0, (9, 0, 0, 0)),
    "failing": (failing, "FAIL", 1, (9, 2, 0, 0)),
    "broken": (broken, "BROKEN", 3, (9, 0, 1, 1)),
    "aborted": (aborted, "BROKEN", 143, (9, 0, 1, 5)),
    "killed": (killed, "BROKEN", 3, (9, 0, 7, 0)),
    "planned": (planned, "BROKEN", 3, (9, 0, 2, 7)),
}

RUBY = """
def cases(x) x.is_a?(Array) ? x : [x] end
s = Hash.from_xml(File.read(ARGV[0]))['testsuites']['testsuite']
n = [0, 0, 0, 0]
cases(s['testcase']).each { |c| n[0] += 1
  n[1] += 1 if c['failure']; n[2] += 1 if c['error']; n[3] += 1 if c.key?('skipped')
  t = c['failure'] || c['error']
  raise 'no text' if t && !(t.is_a?(String) && t.size > 3) }
puts n.join(' ')
"""

PARSER = """
import sys
from junitparser import JUnitXml, Failure, Error, Skipped
n = [0, 0, 0, 0]
for suite in JUnitXml.fromfile(sys.argv[1]):
    for case in suite:
        n[0] += 1
        for i, kind in enumerate((Failure, Error, Skipped), 1):
            n[i] += any(isinstance(r, kind) for r in case.result)
print(*n)
"""

SCHEMA = """
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
jsonschema.validate(json.load(open(sys.argv[2])), schema)
"""


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Consumers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.out = tempfile.mkdtemp(prefix="crumble-consumers-")
        cls.dirs = {}
        cls.said = {}
        for name, (write, *_) in RUNS.items():
            record = Record(cls.out, name)
            write(record)
            cls.dirs[name] = record.close()
            cls.said[name] = run(CRUMBLE, "report", cls.dirs[name])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.out)

    def file(self, name, file):
        return os.path.join(self.dirs[name], file)

    def counted(self, name, *argv):
        done = run(*argv)
        self.assertEqual(done.returncode, 0, "%s: %s%s" % (name, done.stdout, done.stderr))
        return tuple(int(float(n)) for n in done.stdout.split())

    def test_exit_codes_and_summaries(self):
        for name, (_, verdict, code, _) in RUNS.items():
            done = self.said[name]
            self.assertEqual(done.returncode, code, name + done.stderr)
            self.assertIn("Verdict %-6s exit %d\n" % (verdict, code), done.stdout)
            with open(self.file(name, "summary.txt")) as f:
                self.assertEqual(f.read(), done.stdout)

    def test_our_schema(self):
        for name in RUNS:
            done = run("xmllint", "--noout", "--nonet", "--schema",
                       os.path.join(ROOT, "reports", "junit.xsd"), self.file(name, "junit.xml"))
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_junitparser(self):
        for name, (*_, counts) in RUNS.items():
            got = self.counted(name, PYTHON, "-c", PARSER, self.file(name, "junit.xml"))
            self.assertEqual(got, counts, name)
            red = run("junitparser", "verify", self.file(name, "junit.xml")).returncode
            self.assertEqual(bool(red), name != "passing", name)

    def test_xmlstarlet(self):
        for name, (*_, counts) in RUNS.items():
            got = tuple(self.counted(name, "xmlstarlet", "sel", "-t", "-v", "count(%s)" % path,
                                     self.file(name, "junit.xml"))[0]
                        for path in ("//testcase", "//testcase[failure]", "//testcase[error]",
                                     "//testcase[skipped]"))
            self.assertEqual(got, counts, name)

    def test_active_support(self):
        for name, (*_, counts) in RUNS.items():
            got = self.counted(name, "ruby", "-ractive_support/all", "-e", RUBY,
                               self.file(name, "junit.xml"))
            self.assertEqual(got, counts, name)

    def test_json_schema(self):
        for name in RUNS:
            done = run(PYTHON, "-c", SCHEMA, os.path.join(ROOT, "reports", "report.schema.json"),
                       self.file(name, "report.json"))
            self.assertEqual(done.returncode, 0, name + done.stderr)

    def test_json_says_the_same(self):
        for name, (_, verdict, code, (tests, failures, errors, skipped)) in RUNS.items():
            with open(self.file(name, "report.json")) as f:
                report = json.load(f)
            self.assertEqual((report["format"], report["verdict"], report["exit"]),
                             (1, verdict, code), name)
            verdicts = [c["verdict"] for c in report["cases"]]
            self.assertEqual((len(verdicts), verdicts.count("FAIL"), verdicts.count("BROKEN"),
                              verdicts.count("SKIP")), (tests, failures, errors, skipped), name)
        with open(self.file("failing", "report.json")) as f:
            report = json.load(f)
        outage = report["outages"][0]
        self.assertEqual(len(report["outages"]), 1)
        self.assertEqual(outage["class"], "caused")
        self.assertEqual(outage["bites"], ["eat/1"])
        self.assertEqual((outage["min"], outage["max"]), (28 * S // 10, 3 * S))
        self.assertEqual(report["verifiers"][0]["by_outcome"], {"ok": 471, "refused": 29})

    def test_the_whole_call_is_merged(self):
        done = run(CRUMBLE, "report", self.out)
        self.assertEqual(done.returncode, 143, done.stderr)  # a signal before FAIL and BROKEN
        got = self.counted("merged", "xmlstarlet", "sel", "-t", "-v", "count(//testsuite)",
                           os.path.join(self.out, "junit.xml"))
        self.assertEqual(got, (len(RUNS),))
        os.remove(os.path.join(self.out, "junit.xml"))

    def test_golden_files(self):
        for name in RUNS:
            for file, golden in (("junit.xml", "xml"), ("report.json", "json"),
                                 ("summary.txt", "txt")):
                with open(self.file(name, file)) as f:
                    got = f.read().replace(self.out, "/OUT")
                path = os.path.join(GOLDEN, "report-%s.%s" % (name, golden))
                if os.environ.get("CRUMBLE_GOLDEN") == "write":
                    with open(path, "w") as f:
                        f.write(got)
                with open(path) as f:
                    self.assertEqual(got, f.read(), path)

    def test_bad_command_lines(self):
        self.assertEqual(run(CRUMBLE, "report").returncode, 2)
        self.assertEqual(run(CRUMBLE, "report", "a", "b").returncode, 2)
        done = run(CRUMBLE, "report", "/nonexistent")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_a_newer_record_is_refused(self):
        record = Record(self.out, "newer")
        record.lines = []
        record.event(0, "run", format=2)
        folder = record.close()
        done = run(CRUMBLE, "report", folder)
        shutil.rmtree(folder)
        self.assertEqual(done.returncode, 3)
        self.assertIn("newer crumble", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
