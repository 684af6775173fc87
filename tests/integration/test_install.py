"""What `cmake --install` puts under a prefix works from there: the sandbox is found in libexec."""
import os
import shutil
import subprocess

import harness
from harness import BROKEN, BUILD, HERE, PASS, events, named

SCENARIOS = HERE / "scenarios"


class Install(harness.Case):
    def setUp(self):
        super().setUp()
        self.prefix = self.dir / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.prefix], check=True,
                       capture_output=True)
        shutil.copy(SCENARIOS / "web.manifest.yaml", self.dir)
        text = (SCENARIOS / "web-ha.yaml").read_text()
        for old, new in (("baseline: 2s", "baseline: 500ms"), ("faults: 8s", "faults: 3s"),
                         ("interval: 2s", "interval: 1s"), ("bites >= 3", "bites >= 1")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.scenario = self.write("web-ha.yaml", text)

    def installed(self, *args):
        done = subprocess.run([self.prefix / "bin/crumble", *args], cwd=self.dir, text=True,
                              capture_output=True, timeout=240)
        self.stderr = done.stderr
        return done.returncode

    def test_a_run_on_the_sandbox_in_libexec(self):
        self.assertFalse((self.prefix / "bin/crumble-sandbox").exists())
        self.assertTrue(os.access(self.prefix / "libexec/crumble/crumble-sandbox", os.X_OK))
        self.assert_code(PASS, self.installed("run", self.scenario, "--out", self.out))
        self.assertTrue(named(events(self.out / "web-ha"), "bite.intent"), "nothing was bitten")

    def test_scenarios_come_along(self):
        folder = self.prefix / "share/crumble/scenarios"
        self.assert_code(PASS, self.installed("check", folder / "keystone-ha.yaml"))

    def test_without_its_sandbox_it_says_where_it_looked(self):
        (self.prefix / "libexec/crumble/crumble-sandbox").unlink()
        self.assert_code(BROKEN, self.installed("run", self.scenario, "--out", self.out))
        self.assertIn("/../libexec/crumble", self.log())


if __name__ == "__main__":
    harness.main()
