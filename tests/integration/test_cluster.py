"""Cookies, deployments and healing on the sandbox: the whole way, with a small web service."""
import json
import os
import shutil
import signal
import socket
import subprocess

import harness
from harness import BROKEN, FAIL, HERE, PASS, USAGE, events, named

SCENARIOS = HERE / "scenarios"


class Cluster(harness.Case):
    def setUp(self):
        super().setUp()
        shutil.copy(SCENARIOS / "web.manifest.yaml", self.dir)
        self.text = (SCENARIOS / "web-ha.yaml").read_text()
        self.manifest = (SCENARIOS / "web.manifest.yaml").read_text()

    def change(self, *pairs):
        for old, new in pairs:
            self.assertIn(old, self.text)
            self.text = self.text.replace(old, new)
        return self.write("web-ha.yaml", self.text)

    def run_changed(self, *pairs, more=()):
        code, _, _ = self.crumble("run", self.change(*pairs), "--out", self.out, *more)
        self.told = events(self.out / "web-ha")
        self.cases = self.suites()["crumble.web-ha"]
        return code

    def sandbox(self):
        """A sandbox that outlives runs: its kubeconfig."""
        folder = self.dir / "sandbox"
        process = subprocess.Popen([harness.CRUMBLE, "sandbox", "--dir", folder],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   stdin=subprocess.DEVNULL)

        def end():
            process.terminate()
            process.wait(30)
            process.stdout.close()

        self.addCleanup(end)
        word, path = process.stdout.readline().split()
        self.assertEqual("ready", word)
        os.environ["KUBECONFIG"] = path
        self.addCleanup(os.environ.pop, "KUBECONFIG")
        return path

    def objects(self, kind):
        done = subprocess.run(["kubectl", "get", kind, "-o", "name"], text=True,
                              capture_output=True, check=True)
        # The API server's own service is nobody's leftover.
        return [name for name in done.stdout.split() if name != "service/kubernetes"]

    def test_good_service_passes(self):
        self.assert_code(PASS, self.run_changed())
        bites = named(self.told, "bite.intent")
        self.assertGreaterEqual(len(bites), 3)
        for bite in bites:
            of = [e for e in self.told if e.get("bite") == bite["bite"]]
            self.assertEqual("proved", named(of, "bite.proof")[0]["verdict"])
            self.assertIn(bite["targets"][0]["uid"], named(of, "bite.proof")[0]["evidence"])
            states = {e["state"]: e for e in named(of, "target")}
            self.assertEqual({"gone", "replaced", "scheduled", "ready"}, set(states))
            self.assertNotEqual(bite["targets"][0]["uid"], states["ready"]["uid"])
            # Never drifting: due at begin + k * interval.
            first = bites[0]["due"]
            self.assertEqual(0, (bite["due"] - first) % 2_000_000_000)
            order = [e["e"] for e in of]
            self.assertLess(order.index("bite.intent"), order.index("bite.sent"))
        self.assertEqual([], named(self.told, "error") + named(self.told, "note"))
        self.assertTrue(all(case[0] == "pass" for case in self.cases.values()))
        plan = json.loads((self.out / "web-ha" / "plan.json").read_text())
        self.assertEqual("7", plan["seed"])
        self.assertEqual([b["targets"] for b in bites], [b["targets"] for b in plan["bites"]])

    def test_weak_service_fails_by_name(self):
        self.manifest = self.manifest.replace("replicas: 3", "replicas: 1")
        self.write("web.manifest.yaml", self.manifest)
        self.assert_code(FAIL, self.run_changed(
            ("interval: 2s", "interval: 0s, guard: false, grace_period: 0s"), ("bites >= 3", "bites >= 1"),
            ("availability >= 95%, longest_outage <= 2s", "availability >= 99%")))
        verdict = self.cases["web availability"]
        self.assertEqual("failure", verdict[0])
        self.assertTrue(self.report("web-ha")["outages"][0]["bites"], "no bite is named")

    def test_nothing_to_eat_is_broken(self):
        self.write("web.manifest.yaml", self.manifest.replace("replicas: 3", "replicas: 1"))
        self.assert_code(BROKEN, self.run_changed(("bites >= 3", "bites >= 1")))
        self.assertEqual("error", self.cases["eat-web bites"][0])
        self.assertIn("only one pod available", json.dumps(named(self.told, "bite.skip")))
        self.assertFalse(named(self.told, "bite.intent"))

    def test_random_workload(self):
        self.assert_code(PASS, self.run_changed(("kind: deployment, name: web,",
                                                 "kind: deployment,")))

    def test_namespace_that_does_not_exist(self):
        self.assert_code(BROKEN, self.run_changed(("wait: 1m", "namespace: nowhere, wait: 1m")))
        self.assertIn("nowhere", self.stderr)
        self.assertTrue(named(self.told, "undo.done")[0]["ok"])

    def test_never_rolled_out(self):
        self.write("web.manifest.yaml", self.manifest.replace(
            "import http.server, os", "raise SystemExit('no database'); import os"))
        self.assert_code(BROKEN, self.run_changed(("wait: 1m", "wait: 4s")))
        line = [line for line in self.stderr.splitlines() if "not rolled out" in line][0]
        self.assertIn("no database", line)

    def test_program_that_does_not_exist(self):
        """Said while it is awaited, in the kubelet's words, and told once in the report."""
        self.write("web.manifest.yaml", self.manifest.replace("[python3, -u,", "[pyhton3, -u,"))
        self.assert_code(BROKEN, self.run_changed(("wait: 1m", "wait: 3s")))
        says = 'exec: "pyhton3": executable file not found in $PATH'
        lines = [line for line in self.stderr.splitlines() if says in line]
        self.assertIn("DEPLOY  Deployment web: 0 of 3 ready; a pod cannot start", lines[0])
        self.assertLess(self.stderr.index(lines[0]), self.stderr.index("ERROR"))
        self.assertIn(says, self.cases["preflight"][2])
        self.assertEqual(("skipped", None, "not run: preflight failed"),
                         self.cases["steady state"])
        self.assertEqual("pass", self.cases["nothing left behind"][0])

    def test_dry_run_on_no_cluster_leaves_nothing(self):
        path = self.change()
        before = sorted(os.listdir(self.dir))
        temp = self.dir / "temp"
        temp.mkdir()
        code, out, log = self.crumble("run", path, "--dry-run", env={"TMPDIR": str(temp)})
        self.assert_code(PASS, code)
        self.assertEqual("", log)
        self.assertIn("each 2s\n", out)
        self.assertEqual([], os.listdir(temp))
        self.assertEqual(sorted(before + ["temp"]), sorted(os.listdir(self.dir)))

    def test_statefulset_keeps_its_majority(self):
        self.write("web.manifest.yaml", self.manifest.replace("kind: Deployment", "kind: StatefulSet")
                   .replace("  replicas: 3", "  serviceName: web\n  replicas: 3"))
        self.assert_code(PASS, self.run_changed(
            ("kind: deployment, name: web, interval: 2s",
             "kind: statefulset, name: web, target: 3, interval: 3s"), ("bites >= 3", "bites >= 2")))
        for bite in named(self.told, "bite.intent"):
            # A majority of three is two: one may go, however many are asked for.
            self.assertEqual(1, len(bite["targets"]))
            states = {e["state"]: e for e in named(self.told, "target")
                      if e["bite"] == bite["bite"]}
            # The same name comes back, with another identity.
            self.assertEqual(bite["targets"][0]["name"], states["ready"]["name"])
            self.assertNotEqual(bite["targets"][0]["uid"], states["ready"]["uid"])

    def test_statefulset_without_a_majority_to_spare(self):
        self.write("web.manifest.yaml", self.manifest.replace("kind: Deployment", "kind: StatefulSet")
                   .replace("  replicas: 3", "  serviceName: web\n  replicas: 2"))
        self.assert_code(BROKEN, self.run_changed(
            ("kind: deployment", "kind: statefulset"), ("bites >= 3", "bites >= 1"),
            ("faults: 8s", "faults: 3s")))
        self.assertFalse(named(self.told, "bite.intent"))
        self.assertIn("a majority of 2 must stay", json.dumps(self.told))

    def test_cookiemonsters_own_file(self):
        self.write("web.json", json.dumps({"Kind": "deployment", "name": "web", "slack": True,
                                           "namespace": "default", "target": 1, "interval": 1,
                                           "duration": 4}))
        self.assert_code(PASS, self.run_changed(
            ("  killpod: {kind: deployment, name: web, interval: 2s}", "  file: web.json"),
            ("bites >= 3", "bites >= 2"), ("faults: 8s", "faults: 6s")))
        bites = named(self.told, "bite.intent")
        self.assertEqual({1_000_000_000}, {b["due"] - a["due"] for a, b in zip(bites, bites[1:])})
        begin = [e["t"] for e in named(self.told, "phase")
                 if (e["name"], e["mark"]) == ("faults", "begin")][0]
        # It waits an interval before its first bite, and its duration holds.
        self.assertEqual(1_000_000_000, bites[0]["due"] - begin)
        self.assertLess(bites[-1]["due"] - begin, 4_000_000_000)

    def test_verifier_of_a_missing_service(self):
        self.assert_code(BROKEN, self.run_changed(("default/web:80", "default/wob:80")))
        self.assertIn("wob", self.cases["preflight"][2])
        self.assertFalse(named(self.told, "bite.intent"))

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run([harness.CRUMBLE, "sandbox", "--dir", self.dir / "s", "--port",
                                   str(port)], capture_output=True, text=True, timeout=60)
        self.assertIn(done.returncode, (USAGE, BROKEN))
        self.assertEqual("", done.stdout)
        line = done.stderr.splitlines()[-1]
        self.assertIn("127.0.0.1:%d" % port, line)
        self.assertIn("in use", line)

    def slow_to_leave(self):
        """A run whose undo takes a minute, just after its first bite."""
        self.sandbox()
        self.write("web.manifest.yaml", self.manifest
                   .replace("terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 60")
                   .replace("signal.signal(signal.SIGTERM, stop)",
                            "signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
        process = self.start("run", self.change(("faults: 8s", "faults: 60s")), "--out", self.out,
                             "--cluster", "kubeconfig")
        self.await_event("web-ha", lambda e: e["e"] == "bite.done")
        return process

    def test_the_same_signal_twice_says_what_is_left_and_ends(self):
        process = self.slow_to_leave()
        process.send_signal(signal.SIGTERM)
        self.await_event("web-ha", lambda e: e["e"] == "undo.intent")
        process.send_signal(signal.SIGTERM)
        self.assert_code(harness.UNHEALED, process.wait(10))
        *_, left, last = self.log().splitlines()
        self.assertIn("1 thing is left; undo with: crumble heal %s" % (self.out / "web-ha"), left)
        self.assertEqual("crumble: UNHEALED (exit 4)  %s/junit.xml" % self.out, last)
        self.assertEqual("crumble.Aborted", suites_of(self)["run completed"][1])
        self.assertNotEqual("pass", suites_of(self)["nothing left behind"][0])

    def test_sigterm_after_sigint_skips_all_but_healing(self):
        process = self.slow_to_leave()
        process.send_signal(signal.SIGINT)
        self.await_event("web-ha", lambda e: e["e"] == "undo.intent")
        process.send_signal(signal.SIGTERM)
        # The undo goes on: nothing but time is left out of it.
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(3)
        for name in self.objects("pods"):
            subprocess.run(["kubectl", "delete", name, "--grace-period=0", "--force"],
                           capture_output=True, check=False)
        self.assert_code(130, process.wait(30))
        self.assertEqual([], self.objects("deployments,services"))
        self.assertEqual("pass", suites_of(self)["nothing left behind"][0])

    def test_kubeconfig_alone_does_not_decide(self):
        self.sandbox()
        self.assert_code(PASS, self.run_changed(("faults: 8s", "faults: 3s"),
                                                ("bites >= 3", "bites >= 1")))
        self.assertEqual("sandbox", self.told[0]["cluster"]["kind"])

    def test_undone_on_a_cluster_that_stays(self):
        self.sandbox()
        short = (("faults: 8s", "faults: 3s"), ("bites >= 3", "bites >= 1"))
        self.assert_code(PASS, self.run_changed(*short, more=("--cluster", "kubeconfig")))
        self.assertEqual("kubeconfig", self.told[0]["cluster"]["kind"])
        self.assertEqual([], self.objects("deployments,services"))
        # Whom would it bite? There is nobody, but it makes them itself.
        code, out, _ = self.crumble("run", "web-ha.yaml", "--dry-run", "--cluster", "kubeconfig")
        self.assert_code(PASS, code)
        self.assertIn("each 2s\n              bites what this scenario deploys", out)
        # One that deploys nothing must not name what is not there.
        self.change(("deploy:\n- name: stage\n  manifests: {files: [web.manifest.yaml], wait: 1m}\n",
                     ""))
        code, _, log = self.crumble("run", "web-ha.yaml", "--dry-run", "--cluster", "kubeconfig")
        self.assert_code(BROKEN, code)
        self.assertIn("deployment web in namespace default", log)
        self.assertEqual([], self.objects("deployments,services"))

    def test_keep_and_what_is_not_ours(self):
        self.sandbox()
        short = (("faults: 8s", "faults: 3s"), ("bites >= 3", "bites >= 1"))
        self.assert_code(PASS, self.run_changed(
            *short, more=("--keep", "--cluster", "kubeconfig")))
        self.assertIn("deployment.apps/web", self.objects("deployments"))
        code, out, _ = self.crumble("run", "web-ha.yaml", "--dry-run", "--cluster", "kubeconfig")
        self.assert_code(PASS, code)
        self.assertIn("would bite Pod default/web-", out)
        # A second run must neither adopt nor delete what the first one kept.
        code, _, log = self.crumble("run", "web-ha.yaml", "--out", self.out, "--cluster",
                                    "kubeconfig")
        self.assert_code(BROKEN, code)
        self.assertIn("exists already", log)
        self.assertIn("deployment.apps/web", self.objects("deployments"))

    def test_killed_runner_is_healed_from_its_journal(self):
        self.sandbox()
        process = self.start("run", self.change(("faults: 8s", "faults: 60s")), "--out", self.out,
                             "--cluster", "kubeconfig")
        self.await_event("web-ha", lambda e: e["e"] == "bite.sent")
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertFalse(harness.all_pass(self.out / "junit.xml"))
        self.assertIn("deployment.apps/web", self.objects("deployments"))
        code, _, log = self.crumble("run", "web-ha.yaml", "--out", self.out, "--cluster",
                                    "kubeconfig")
        self.assert_code(USAGE, code)
        self.assertIn("deployment stage", log)
        for _ in range(2):
            code, _, _ = self.crumble("heal", self.out)
            self.assert_code(PASS, code)
        self.assertEqual([], self.objects("deployments,services"))
        self.assertEqual("error", suites_of(self)["run completed"][0])

    def test_sigterm_undoes(self):
        self.sandbox()
        process = self.start("run", self.change(("faults: 8s", "faults: 60s")), "--out", self.out,
                             "--cluster", "kubeconfig")
        self.await_event("web-ha", lambda e: e["e"] == "bite.done")
        process.send_signal(signal.SIGTERM)
        self.assert_code(143, process.wait(60))
        self.assertEqual([], self.objects("deployments,services"))
        cases = self.suites()["crumble.web-ha"]
        self.assertEqual("crumble.Aborted", cases["run completed"][1])
        self.assertEqual("pass", cases["nothing left behind"][0])


def suites_of(case):
    return harness.suites(case.out / "web-ha" / "junit.xml")["crumble.web-ha"]


if __name__ == "__main__":
    harness.main()
