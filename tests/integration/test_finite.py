"""A verifier that ends by itself, with a Rally of our own: what the runner makes of it. The real
Rally is in test_keystone_ha; here it stands where the real one would, in a mount namespace."""
import json
import os
import shutil
import subprocess

import harness
from harness import BROKEN, PASS, events, named

# Answers the calls that are made, as Rally's command line does; its iterations are real requests.
RALLY = r'''#!/usr/bin/env python3
import json, os, sys, time, urllib.request
home, words = os.environ["HOME"], sys.argv[3:]
store = os.path.join(home, "iterations.json")
mode = open("MODE").read() if os.path.exists("MODE") else ""
sla = {"criterion": "failure_rate", "detail": "Failure rate criteria 0.00% <= 0.00% - Passed"}
if words[:2] == ["task", "start"]:
    print("Using task: a69fadc0-bc8c-4939-8520-d0de35a56466", flush=True)
    data = []
    for _ in range(20):
        began = time.time()
        urllib.request.urlopen("WEB").read()
        data.append({"duration": time.time() - began, "timestamp": began, "idle_duration": 0.0,
                     "error": []})
        time.sleep(0.1)
        if mode == "dies" and len(data) == 3:
            sys.exit("Reason(s):\n  the database is locked")
    json.dump(data, open(store, "w"))
elif words[:2] == ["task", "sla-check"]:
    print(json.dumps([dict(sla, status="PASS", benchmark="Dummy.dummy", pos=0)]))
elif words[:2] == ["task", "report"]:
    data = json.load(open(store))
    workload = {
        "runner": {"constant": {"times": len(data), "concurrency": 1}}, "hooks": [],
        "scenario": {"Dummy.dummy": {}}, "start_time": data[0]["timestamp"], "data": data,
        "failed_iteration_count": 0, "total_iteration_count": len(data), "contexts": {},
        "contexts_results": [], "position": 0, "pass_sla": True,
        "sla_results": {"sla": [dict(sla, success=True)]}, "sla": {"failure_rate": {"max": 0}}}
    task = {"uuid": "a69fadc0-bc8c-4939-8520-d0de35a56466", "status": "finished", "pass_sla": True,
            "subtasks": [{"title": "dummy", "status": "finished", "workloads": [workload]}]}
    json.dump({"info": {"rally_version": "3.3.0", "format_version": "1.2"}, "tasks": [task]},
              open(words[words.index("--out") + 1], "w"))
elif words[0] not in ("db", "env"):
    sys.exit("unknown call %s" % words)
'''

CLOUDS = """
clouds:
  here:
    auth: {auth_url: "http://127.0.0.1:9/v3", username: admin, password: hunter2,
           project_name: admin, user_domain_name: Default, project_domain_name: Default}
"""


class Finite(harness.Case):
    def setUp(self):
        super().setUp()
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
            self.skipTest("a mount namespace needs root")
        scenarios = harness.HERE / "scenarios"
        shutil.copy(scenarios / "web.manifest.yaml", self.dir)
        self.site = self.web()
        self.write("clouds.yaml", CLOUDS)
        self.write("task.json", "{}")
        text = (scenarios / "web-ha.yaml").read_text()
        for old, new in (("baseline: 2s", "baseline: 1s"), ("faults: 8s", "faults: until-done"),
                         ("interval: 2s", "interval: 1s"), ("bites >= 3", "bites >= 1"),
                         ("wait: 1m}", "wait: 1m}\ncloud: {name: here, file: clouds.yaml}")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.path = self.write("web-ha.yaml", text + (
            "- name: load\n  rally: {task: task.json, timeout: 30s}\n"
            "  expect: [sla, availability >= 99%]\n"))

    def run_with(self, rally):
        """Runs it where /usr/bin/rally is this text; None: where there is no Rally."""
        place = "/usr/bin/rally" if os.path.exists("/usr/bin/rally") else "/usr/local/bin/rally"
        fake = self.write("rally", rally or "")
        os.chmod(fake, 0o755 if rally else 0o644)
        if not os.path.exists(place) and rally:
            self.skipTest("there is no Rally that another could stand for")
        bind = 'test ! -e "$1" || mount --bind "$0" "$1"; shift; exec "$@"'
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", bind, fake, place,
                               harness.CRUMBLE, "run", self.path, "--out", self.out],
                              cwd=self.dir, text=True, capture_output=True, timeout=120)
        self.stderr = done.stderr
        self.cases = self.suites()["crumble.web-ha"]
        self.told = events(self.out / "web-ha")
        self.assertNotIn("hunter2", done.stderr)
        return done.returncode

    def test_faults_last_until_it_is_done(self):
        self.assert_code(PASS, self.run_with(RALLY.replace("WEB", self.site.url)))
        ends = {e["name"]: e["t"] for e in named(self.told, "phase") if e["mark"] == "end"}
        begins = {e["name"]: e["t"] for e in named(self.told, "phase") if e["mark"] == "begin"}
        load = [e for e in named(self.told, "verifier") if e["name"] == "load"]
        marks = {e["mark"]: e["t"] for e in load}
        self.assertLessEqual(begins["faults"], marks["begin"])
        self.assertLessEqual(marks["end"], ends["faults"])
        self.assertEqual("pass", self.cases["load sla: failure_rate"][0])
        verifier = [v for v in self.report("web-ha")["verifiers"] if v["name"] == "load"][0]
        self.assertEqual((20, 20), (verifier["samples"], verifier["ok"]))

    def test_one_that_dies_is_broken(self):
        self.write("MODE", "dies")
        self.assert_code(BROKEN, self.run_with(RALLY.replace("WEB", self.site.url)))
        self.assertIn("the database is locked", json.dumps(self.cases))
        self.assertFalse([c for c in self.cases.values() if c[0] == "failure"])

    def test_no_rally(self):
        self.assert_code(BROKEN, self.run_with(None))
        self.assertIn("rally is not installed: apt-get install", self.cases["preflight"][2])
        self.assertFalse(named(self.told, "bite.intent"))
        self.assertTrue(named(self.told, "undo.done")[0]["ok"])
        self.assertEqual("pass", self.cases["nothing left behind"][0])


if __name__ == "__main__":
    harness.main()
