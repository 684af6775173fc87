"""Runs that need no cluster: phases, records, several scenarios, signals."""
import os
import signal
import stat
import time

import harness
from harness import BROKEN, USAGE, events, named

THIN = """
name: {name}
phases: {{baseline: {baseline}, faults: {faults}, recovery: 500ms}}
verify:
- name: web
  http: {{url: "{url}"}}
  every: 20ms
"""


class Plain(harness.Case):
    def thin(self, name, url, baseline="1s", faults="1s"):
        return self.write(name + ".yaml",
                          THIN.format(name=name, url=url, baseline=baseline, faults=faults))

    def test_phases_in_order_and_a_whole_record(self):
        web = self.web()
        code, _, log = self.crumble("run", self.thin("thin", web.url), "--out", self.out)
        self.assert_code(BROKEN, code)  # no cookie: it says nothing about faults
        told = events(self.out / "thin")
        self.assertEqual("run", told[0]["e"])
        self.assertEqual("run.end", told[-1]["e"])
        self.assertEqual(3, told[-1]["exit"])
        phases = ["%s %s" % (p["name"], p["mark"]) for p in named(told, "phase")]
        self.assertEqual(["%s %s" % (name, mark)
                          for name in ("deploy", "baseline", "faults", "recovery", "sweep",
                                       "teardown") for mark in ("begin", "end")], phases)
        self.assertTrue(named(told, "gate")[0]["ok"])
        self.assertTrue(all(a["t"] <= b["t"] for a, b in zip(told, told[1:])))
        self.assertIn("crumble: BROKEN (exit 3)", log.splitlines()[-1])
        cases = self.suites()["crumble.thin"]
        self.assertEqual(("error", "crumble.NoCookie"), cases["run completed"][:2])
        self.assertEqual("pass", cases["nothing left behind"][0])
        verifier = self.report("thin")["verifiers"][0]
        self.assertEqual(verifier["samples"], verifier["ok"])
        self.assertGreater(verifier["samples"], 50)

    def test_only_the_owner_reads_it(self):
        web = self.web()
        self.crumble("run", self.thin("thin", web.url, "0s", "300ms"), "--out", self.out)
        for folder, _, files in os.walk(self.out):
            self.assertEqual(0o700, stat.S_IMODE(os.stat(folder).st_mode), folder)
            for name in files:
                mode = os.stat(os.path.join(folder, name)).st_mode
                self.assertEqual(0o600, stat.S_IMODE(mode), name)
        self.assertFalse([name for name in os.listdir(self.out / "thin")
                          if "reserve" in name], "space set aside is given back")

    def test_service_that_is_down_is_broken_before_a_fault(self):
        code, _, log = self.crumble("run", self.thin("thin", "http://127.0.0.1:9/"), "--out",
                                    self.out)
        self.assert_code(BROKEN, code)
        cases = self.suites()["crumble.thin"]
        self.assertEqual("error", cases["preflight"][0])
        self.assertIn("web", cases["preflight"][2])
        awaited = [line for line in log.splitlines() if "AWAIT" in line]
        self.assertEqual(1, len(awaited), log)
        self.assertIn("127.0.0.1:9", awaited[0])
        self.assertFalse([p for p in named(events(self.out / "thin"), "phase")
                          if p["name"] == "faults"])

    def test_gate_forbids_faults(self):
        web = self.web()
        process = self.start("run", self.thin("thin", web.url, "2s", "1s"), "--out", self.out)
        self.await_event("thin", lambda e: e["e"] == "phase" and e["name"] == "baseline")
        web.status = 503
        self.assert_code(BROKEN, process.wait(60))
        cases = self.suites()["crumble.thin"]
        self.assertEqual(("error", "crumble.PreconditionFailed"), cases["steady state"][:2])
        self.assertFalse([p for p in named(events(self.out / "thin"), "phase")
                          if p["name"] == "faults"])

    def test_all_scenarios_are_listed_from_the_start(self):
        web = self.web()
        self.thin("one", web.url)
        self.thin("two", web.url)
        process = self.start("run", self.dir, "--out", self.out)
        self.await_event("one", lambda e: e["e"] == "phase" and e["name"] == "deploy")
        self.assertEqual({"crumble.one", "crumble.two"}, set(self.suites()))
        while process.poll() is None:
            self.assertFalse(harness.all_pass(self.out / "junit.xml"))
            time.sleep(0.02)
        self.assert_code(BROKEN, process.returncode)
        for name in ("one", "two"):
            self.assertEqual("run.end", events(self.out / name)[-1]["e"])
            self.assertEqual(set(self.suites()["crumble." + name]),
                             set(self.suites(name + "/junit.xml")["crumble." + name]))

    def test_report_that_cannot_be_written_is_broken(self):
        """libxml2 is loaded for the first report: one that is none must not end in green."""
        web = self.web()
        self.write("libxml2.so.2", "no library")
        path = self.thin("thin", web.url, "0s", "200ms")
        code, _, log = self.crumble("run", path, "--out", self.out,
                                    env=dict(os.environ, LD_LIBRARY_PATH=str(self.dir)))
        self.assert_code(BROKEN, code)
        self.assertIn("JUnit: cannot load libxml2", log)
        self.assertFalse((self.out / "junit.xml").exists())

    def test_seed_is_kept(self):
        web = self.web()
        path = self.thin("thin", web.url, "0s", "200ms")
        self.crumble("run", path, "--out", self.out, "--seed", "18446744073709551615")
        self.assertEqual("18446744073709551615", events(self.out / "thin")[0]["seed"])

    def test_log_as_json(self):
        import json
        web = self.web()
        _, _, log = self.crumble("run", self.thin("thin", web.url, "0s", "200ms"), "--out",
                                 self.out, "--log-json")
        lines = [line for line in log.splitlines() if line.startswith("{")]
        self.assertTrue([line for line in lines if json.loads(line).get("event") == "PHASE"])

    def test_dry_run_touches_nothing(self):
        web = self.web()
        code, out, _ = self.crumble("run", self.thin("thin", web.url), "--out", self.out,
                                    "--dry-run")
        self.assert_code(0, code)
        self.assertIn("web (http)", out)
        self.assertFalse(self.out.exists())
        self.assertEqual(0, web.hits)

    def aborted(self, *signals):
        web = self.web()
        process = self.start("run", self.thin("thin", web.url, "60s", "60s"), "--out", self.out)
        self.await_event("thin", lambda e: e["e"] == "phase" and e["name"] == "baseline")
        for number in signals:
            process.send_signal(number)
        return process.wait(30)

    def test_sigterm(self):
        self.assert_code(143, self.aborted(signal.SIGTERM))
        cases = self.suites()["crumble.thin"]
        self.assertEqual(("error", "crumble.Aborted"), cases["run completed"][:2])
        self.assertIn("SIGTERM", cases["run completed"][2])
        told = events(self.out / "thin")
        self.assertEqual(143, named(told, "run.end")[0]["exit"])
        self.assertTrue(named(told, "sweep")[0]["ok"])

    def test_sigint(self):
        self.assert_code(130, self.aborted(signal.SIGINT))
        self.assertEqual(130, named(events(self.out / "thin"), "run.end")[0]["exit"])

    def test_last_line(self):
        web = self.web()
        self.thin("one", web.url, "0s", "200ms")
        self.thin("two", web.url, "0s", "200ms")
        for args, last in ((["one.yaml"], "BROKEN (exit 3)"), ([self.dir], "BROKEN (exit 3)"),
                           (["one.yaml", "absent.yaml"], "REFUSED (exit 2)")):
            _, _, log = self.crumble("run", *args, "--out", self.out)
            self.assertEqual("crumble: %s  %s/junit.xml" % (last, self.out), log.splitlines()[-1])
            self.assertTrue((self.out / "junit.xml").exists())

    def test_unknown_option(self):
        code, _, log = self.crumble("run", "x.yaml", "--cluter", "sandbox")
        self.assert_code(USAGE, code)
        self.assertEqual(["crumble: --cluter: no such option, or its value is missing or too much; "
                          "see crumble run --help"], log.splitlines())

    def test_second_signal_of_another_kind_still_ends_in_order(self):
        self.assert_code(130, self.aborted(signal.SIGINT, signal.SIGTERM))

    def test_killed_runner_leaves_an_error_and_the_next_run_replaces_it(self):
        web = self.web()
        path = self.thin("thin", web.url, "60s", "1s")
        process = self.start("run", path, "--out", self.out)
        self.await_event("thin", lambda e: e["e"] == "phase" and e["name"] == "baseline")
        self.await_file(self.out / "junit.xml")
        process.kill()
        process.wait()
        self.assertEqual("error", self.suites()["crumble.thin"]["run completed"][0])
        code, out, _ = self.crumble("heal", self.out)
        self.assert_code(0, code)
        self.assertIn("nothing is left", out)
        self.thin("thin", web.url, "0s", "200ms")
        code, _, _ = self.crumble("run", path, "--out", self.out)
        self.assert_code(BROKEN, code)
        self.assertEqual("run.end", events(self.out / "thin")[-1]["e"])

    def test_live_run_is_not_run_over(self):
        web = self.web()
        path = self.thin("thin", web.url, "60s", "1s")
        self.start("run", path, "--out", self.out)
        self.await_event("thin", lambda e: e["e"] == "phase" and e["name"] == "baseline")
        code, _, log = self.crumble("run", path, "--out", self.out)
        self.assert_code(USAGE, code)
        self.assertIn("a run writes into it now", log)
        code, _, log = self.crumble("heal", self.out)
        self.assert_code(USAGE, code)
        self.assertIn("still alive", log)


if __name__ == "__main__":
    harness.main()
