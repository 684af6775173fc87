"""The main job on real input: three Keystone replicas that survive, and one stage where every
workload has one pod, so that nothing can be eaten."""
import os

import harness
from harness import BROKEN, PASS, events, named

ROOT = harness.HERE.parent.parent
SCENARIOS = ROOT / "scenarios"
# memcached is unpacked, not installed
PATH = ":".join([str(harness.BUILD / "deps/usr/bin"), str(ROOT / "build/deps/usr/bin"),
                 os.environ["PATH"], "/usr/sbin", "/sbin"])


class Keystone(harness.Case):
    def run_scenario(self, name):
        code, _, _ = self.crumble("run", SCENARIOS / (name + ".yaml"), "--out", self.out,
                                  env={"PATH": PATH}, timeout=300)
        self.told = events(self.out / name)
        return code

    def test_three_replicas_pass(self):
        self.assert_code(PASS, self.run_scenario("keystone-ha"))
        report = self.report("keystone-ha")
        self.assertEqual("PASS", report["verdict"])
        proofs = [e for e in named(self.told, "bite.proof") if e["verdict"] == "proved"]
        ready = {e["bite"] for e in named(self.told, "target") if e["state"] == "ready"}
        self.assertGreaterEqual(len(proofs), 8)
        self.assertGreaterEqual(len(ready), 8)
        counts = {v["name"]: v["samples"] for v in report["verifiers"]}
        self.assertGreaterEqual(counts["token"], 500)
        self.assertGreaterEqual(counts["api"], 500)
        self.assertEqual(140, counts["rally"])
        cases = self.suites()["crumble.keystone-ha"]
        for case in ("rally sla: failure_rate", "rally sla", "token availability",
                     "api longest_outage", "eat-keystone bites"):
            self.assertEqual("pass", cases[case][0], case)
        self.assertEqual([], report["left"])

    def test_no_secret_is_written_down(self):
        self.assert_code(BROKEN, self.run_scenario("keystone-spared"))
        for path in self.out.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"crumble-test", path.read_bytes(), path)
        self.nothing_was_eaten()

    def nothing_was_eaten(self):
        self.assertEqual([], named(self.told, "bite.intent"))
        spared = {e["workload"]["name"] for e in named(self.told, "bite.skip")
                  if e.get("workload")}
        self.assertLessEqual({"keystone", "memcached"}, spared)
        self.assertIn("only one pod available", self.log())
        verdict, _, message = self.suites()["crumble.keystone-spared"]["eat-anything bites"]
        self.assertEqual("error", verdict, message)


if __name__ == "__main__":
    harness.main()
