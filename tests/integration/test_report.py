"""Reports made again, and never greener than the record: dead, damaged, cut and stale ones."""
import signal
import subprocess
import time

import harness
from harness import BROKEN, events

THIN = """
name: {name}
phases: {{baseline: 300ms, faults: {faults}, recovery: {recovery}}}
verify:
- name: web
  http: {{url: "{url}"}}
  every: 20ms
  expect: [availability >= 99%, availability >= 99% during faults]
"""


class Report(harness.Case):
    def thin(self, name, url, faults="300ms", recovery="300ms"):
        return self.write(name + ".yaml", THIN.format(name=name, url=url, faults=faults,
                                                      recovery=recovery))

    def made(self):
        """What a report makes: {path: bytes}."""
        return {str(path.relative_to(self.out)): path.read_bytes()
                for path in sorted(self.out.rglob("*"))
                if path.suffix in (".xml", ".json", ".txt") and path.name != "plan.json"}

    def test_twice_the_same_and_an_unreadable_record_is_not_missing(self):
        web = self.web()
        self.crumble("run", self.thin("one", web.url), self.thin("two", web.url), "--out", self.out)
        self.crumble("report", self.out)
        first = self.made()
        code, _, _ = self.crumble("report", self.out)
        self.assert_code(BROKEN, code)
        self.assertEqual(first, self.made())
        journal = self.out / "two" / "journal.jsonl"
        journal.write_bytes(b"x" + journal.read_bytes())
        for _ in range(2):
            code, _, log = self.crumble("report", self.out)
            self.assert_code(BROKEN, code)
            self.assertIn("two/journal.jsonl", log)
            told = self.suites()
            self.assertEqual({"crumble.one", "crumble.two"}, set(told))
            self.assertEqual(("error", "crumble.DamagedRecord"),
                             told["crumble.two"]["run completed"][:2])

    def test_no_report_of_an_earlier_call_outlives_a_start(self):
        web = self.web()
        path = self.thin("thin", web.url)
        self.out.mkdir()
        old = self.out / "junit.xml"
        old.write_text('<testsuites><testsuite name="old" tests="1"><testcase name="x"/>'
                       "</testsuite></testsuites>")
        for delay in (0, 0.002, 0.005, 0.01, 0.02, 0.1, 0.5):
            process = self.start("run", path, "--out", self.out)
            time.sleep(delay)
            process.kill()
            process.wait()
            if events(self.out / "thin") and old.exists():
                self.assertNotIn("old", self.suites())
                self.assertFalse(harness.all_pass(old))
        self.assertFalse(old.exists() and "old" in self.suites())

    def test_killed_at_any_instant_it_is_never_green(self):
        web = self.web()
        path = self.thin("thin", web.url)
        for i in range(12):
            process = self.start("run", path, "--out", self.out)
            try:
                process.wait(0.01 + 0.17 * i)
            except subprocess.TimeoutExpired:
                pass
            process.kill()
            process.wait()
            if not (self.out / "junit.xml").exists():
                continue
            self.assertFalse(harness.all_pass(self.out / "junit.xml"))
            code, _, _ = self.crumble("report", self.out)
            self.assert_code(BROKEN, code)
            self.assertFalse(harness.all_pass(self.out / "junit.xml"))

    def test_what_a_signal_cut_short_was_not_run(self):
        web = self.web()
        for phase, faults, recovery in (("faults", "60s", "1s"), ("recovery", "300ms", "60s")):
            path = self.thin("cut", web.url, faults, recovery)
            process = self.start("run", path, "--out", self.out)
            self.await_event("cut", lambda e: e["e"] == "phase" and e["name"] == phase)
            process.send_signal(signal.SIGTERM)
            self.assert_code(143, process.wait(30))
            cases = self.suites()["crumble.cut"]
            self.assertEqual(("skipped", None, "not run: run aborted"),
                             cases["web availability"])
            self.assertEqual("skipped" if phase == "faults" else "pass",
                             cases["web availability in faults"][0])
            told = [(e["e"], e.get("name")) for e in events(self.out / "cut")
                    if e["e"] == "signal" or e.get("mark") == "end"]
            self.assertLess(told.index(("signal", "SIGTERM")), told.index(("phase", phase)))


if __name__ == "__main__":
    harness.main()
