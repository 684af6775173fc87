"""Runs of Crumble on any Kubernetes: pods of a Deployment and of a StatefulSet are eaten, and
what the journal says of them is true."""
import harness
from harness import PASS, events, named
from kubernetes import KubernetesCase, web

SCENARIO = """
name: eat
phases: {baseline: 2s, faults: 8s, recovery: 8s}
deploy:
- name: stage
  manifests: {files: [web.manifest.yaml], namespace: %(ns)s, wait: 1m}
cookies:
- name: eat-web
  killpod: {kind: %(kind)s, name: web, namespace: %(ns)s, interval: 5s}
  expect: [bites >= 2]
verify:
- name: web
  http: {url: "http://${service:%(ns)s/web:8080}/"}
  every: 100ms
  timeout: 2s
  connection: new
  expect: [availability >= 80%%, longest_outage <= 4s]
"""


class Killpod(KubernetesCase):
    def eat(self, kind):
        # A graceful end: out of the endpoints first, then TERM, as good services have it.
        manifest = web(kind, 3).replace("        ports: [{name: http, containerPort",
                                        "        lifecycle: {preStop: {sleep: {seconds: 1}}}\n"
                                        "        ports: [{name: http, containerPort")
        self.write("web.manifest.yaml", manifest.replace("GracePeriodSeconds: 1",
                                                         "GracePeriodSeconds: 3"))
        path = self.write("eat.yaml", SCENARIO % {"ns": self.ns, "kind": kind.lower()})
        code, _, _ = self.crumble("run", path, "--out", self.out, "--cluster", "kubeconfig",
                                  env={"KUBECONFIG": self.kubeconfig})
        self.told = events(self.out / "eat")
        return code

    def check(self, kind):
        self.assert_code(PASS, self.eat(kind))
        bites = named(self.told, "bite.intent")
        self.assertGreaterEqual(len(bites), 2)
        for bite in bites:
            of = [e for e in self.told if e.get("bite") == bite["bite"]]
            self.assertEqual("proved", named(of, "bite.proof")[0]["verdict"])
            states = {e["state"]: e for e in named(of, "target")}
            self.assertLessEqual({"gone", "replaced", "ready"}, set(states))
            self.assertNotEqual(bite["targets"][0]["uid"], states["ready"]["uid"])
            same = states["ready"]["name"] == bite["targets"][0]["name"]
            self.assertEqual(kind == "StatefulSet", same)
        self.assertEqual([], named(self.told, "error"))
        self.assertNotIn("/web", self.kubectl("get", "deployments,statefulsets,services", "-o",
                                              "name"))

    def test_a_deployment(self):
        self.check("Deployment")

    def test_a_statefulset(self):
        self.check("StatefulSet")


if __name__ == "__main__":
    harness.main()
