"""What only a real API server does: it restarts during a run, and it knows who may do what."""
import pathlib
import re
import subprocess
import threading

import harness
from harness import BROKEN, PASS, events, named
from kubernetes import KubernetesCase

CLUSTER = pathlib.Path(__file__).resolve().parent / "cluster.sh"

EAT = """
name: eat
phases: {baseline: 1s, faults: %(faults)s, recovery: 8s}
cookies:
- name: eat-web
  killpod: {kind: deployment, name: web, namespace: %(ns)s, interval: 4s}
  expect: [bites >= 1]
verify:
- name: web
  http: {url: "http://${service:%(ns)s/web:8080}/"}
  every: 100ms
  timeout: 2s
  connection: new
  expect: [availability >= 50%%]
"""

ROLE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: eater}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: eater}
rules:
- {apiGroups: ["", apps], resources: [pods, services, deployments, replicasets], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: eater}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: eater}
subjects: [{kind: ServiceAccount, name: eater}]
"""


class Faults(KubernetesCase):
    def eat(self, kubeconfig, faults="6s"):
        path = self.write("eat.yaml", EAT % {"ns": self.ns, "faults": faults})
        code, _, _ = self.crumble("run", path, "--out", self.out, "--cluster", "kubeconfig",
                                  env={"KUBECONFIG": kubeconfig})
        self.told = events(self.out / "eat")
        return code

    def with_token(self, token):
        text = pathlib.Path(self.kubeconfig).read_text()
        return self.write("token.kubeconfig", re.sub(r"user: \{.*?\}", "user: {token: %s}" % token,
                                                     text, count=1))

    def test_the_api_server_restarts_during_a_run(self):
        self.start_web(replicas=3)
        restart = threading.Timer(8, subprocess.run, [[CLUSTER, "kill", "apiserver"]])
        back = threading.Timer(11, subprocess.run, [[CLUSTER, "start", "apiserver"]])
        for timer in (restart, back):
            timer.start()
            self.addCleanup(timer.join)
        code = self.eat(self.kubeconfig, "20s")
        # Whatever became of the bites that met no server: the service never failed.
        self.assertIn(code, (PASS, BROKEN), self.stderr)
        verdicts = self.suites()["crumble.eat"]
        self.assertEqual("pass", verdicts["web availability"][0], self.stderr)
        self.assertEqual("pass", verdicts["nothing left behind"][0], self.stderr)
        proved = [e for e in named(self.told, "bite.proof") if e["verdict"] == "proved"]
        self.assertGreaterEqual(len(proved), 2, self.stderr)

    def test_a_token_that_nobody_knows(self):
        self.start_web()
        self.assert_code(BROKEN, self.eat(self.with_token("nonsense")))
        self.assertIn("401", self.stderr)
        self.assertEqual([], named(self.told, "bite.sent"))

    def test_an_account_that_may_not_delete(self):
        self.start_web()
        self.create(ROLE)
        status, body = self.api("serviceaccounts/eater/token", "POST", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600}})
        self.assertEqual(status, 201, body)
        before = set(self.pods())
        self.assert_code(BROKEN, self.eat(self.with_token(body["status"]["token"])))
        self.assertRegex(self.stderr, "cannot (delete|list|get)")
        self.assertEqual(before, set(self.pods()))


if __name__ == "__main__":
    harness.main()
