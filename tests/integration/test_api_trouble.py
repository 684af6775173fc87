"""A cluster that gives trouble: nobody can tell then how the service does, so it is BROKEN, never
FAIL and never PASS, and the line says what was tried, on what, and what came back."""
import harness
from api import Api, certificate, status
from harness import BROKEN, events, named

SCENARIO = """
name: trouble
phases: {baseline: 0s, faults: 2s, recovery: 200ms}
cookies:
- name: eat
  killpod: {kind: deployment, name: web, interval: 1s}
verify:
- name: web
  http: {url: "WEB"}
  every: 50ms
"""

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "%s", certificate-authority: "%s"}}]
users: [{name: u, user: {token: %s}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
"""


class Trouble(harness.Case):
    def setUp(self):
        super().setUp()
        self.api = Api(self.dir)
        self.addCleanup(self.api.close)

    def broken(self, *says, cert=None, token="sesame"):
        config = self.write("kubeconfig", KUBECONFIG % (self.api.url, cert or self.api.cert, token))
        path = self.write("trouble.yaml", SCENARIO.replace("WEB", self.web().url))
        code, _, log = self.crumble("run", path, "--out", self.out, "--cluster", "kubeconfig",
                                    env={"KUBECONFIG": config})
        self.assert_code(BROKEN, code)
        self.assertRegex(log.splitlines()[-1], r"^crumble: BROKEN \(exit 3\)  .*/junit\.xml$")
        lines = [line for line in log.splitlines() if all(say in line for say in says)]
        self.assertTrue(lines, "no line says %s:\n%s" % (says, log))
        self.assertNotIn(token, log)
        self.cases = self.suites()["crumble.trouble"]
        self.assertFalse([c for c in self.cases.values() if c[0] == "failure"], self.cases)
        told = [c[2] for c in self.cases.values() if c[0] == "error"]
        self.assertTrue([text for text in told if all(say in text for say in says)], told)
        self.assertEqual("pass", self.cases["nothing left behind"][0])
        return log

    def no_fault(self):
        self.assertFalse(named(events(self.out / "trouble"), "bite.intent"))
        self.assertFalse([hit for hit in self.api.hits if hit[0] == "DELETE"])

    def test_wrong_ca(self):
        _, other = certificate(self.dir, "other")
        self.broken(self.api.url, "certificate", cert=other)
        self.no_fault()

    def test_expired_token(self):
        self.broken(self.api.url, "401 Unauthorized", "expired?", token="yesterday")
        self.no_fault()

    def test_delete_is_forbidden(self):
        said = 'pods "web-1-1" is forbidden: User "crumble" cannot delete resource "pods"'
        self.api.trouble = lambda method, path: (
            status(403, "Forbidden", said) if method == "DELETE" else None)
        self.broken("403 Forbidden", "cannot delete resource")
        self.assertEqual("error", self.cases["eat bites"][0])
        bites = named(events(self.out / "trouble"), "bite.done")
        self.assertTrue(bites)
        self.assertFalse([bite for bite in bites if bite["ok"]])

    def test_list_is_forbidden(self):
        self.api.trouble = lambda method, path: (
            status(403, "Forbidden", 'pods is forbidden: User "crumble" cannot list resource')
            if method == "GET" and path.endswith("/pods") else None)
        self.broken("403 Forbidden", "cannot list resource")
        self.no_fault()

    def test_lists_that_fail(self):
        # Too long to wait for, so that the test need not.
        self.api.trouble = lambda method, path: (
            status(500, "InternalError", "etcdserver: request timed out") + ({"Retry-After": "90"},)
            if method == "GET" and path.endswith("/pods") else None)
        self.broken("500 Internal Server Error", "etcdserver: request timed out")
        self.no_fault()

    def test_server_that_goes_away_after_a_bite(self):
        """What it had bitten is unknown from then on: neither the pod's end nor its successor."""
        def gone(method, path):
            if [hit for hit in self.api.hits[:-1] if hit[0] == "DELETE"]:
                return (*status(503, "ServiceUnavailable", "shutting down"), {"Retry-After": "90"})
            return (200, {}) if method == "DELETE" else None
        self.api.trouble = gone
        self.broken("eat")
        self.assertEqual("error", self.cases["eat bites"][0])
        self.assertNotEqual("pass", self.cases["eat recovered"][0])

    def test_bites_that_are_never_proved(self):
        self.api.trouble = lambda method, path: (200, {}) if method == "DELETE" else None
        self.broken("eat")
        self.assertEqual("error", self.cases["eat bites"][0])


if __name__ == "__main__":
    harness.main()
