"""What tests share that run on any Kubernetes: on $TEST_KUBECONFIG's, or else on a sandbox of
their own. A test that passes on one and not on the other has found a bug of the sandbox."""
import json
import os
import pathlib
import secrets
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from harness import BUILD, Case

SANDBOX = str(BUILD / "crumble-sandbox")
KUBECTL = os.environ.get("KUBECTL", "kubectl")
REAL = os.environ.get("TEST_KUBECONFIG")  # never an inherited $KUBECONFIG

# busybox is a program on the sandbox and an image's on a real cluster. It runs as the pod's first
# process, so what has no handler for TERM needs one.
WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: pages}
data:
  index.html: "a page\\n"
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: http}]
---
apiVersion: apps/v1
kind: %(kind)s
metadata: {name: web}
spec:
  replicas: %(replicas)d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: localhost/busybox:1
        command: [busybox, httpd, -f, -v, -p, "$(POD_IP):8080", -h, /pages]
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        volumeMounts: [{name: pages, mountPath: /pages}]
      volumes: [{name: pages, configMap: {name: pages}}]
"""


def web(kind="Deployment", replicas=2):
    text = WEB % {"kind": kind, "replicas": replicas}
    return text.replace("  replicas:", "  serviceName: web\n  replicas:") if kind != "Deployment" \
        else text


def until(what, seconds=60):
    """The first true value of `what`; a pause that doubles between the tries."""
    pause, deadline = 0.01, time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s" % seconds)
        time.sleep(pause)
        pause = min(pause * 2, 0.5)


class KubernetesCase(Case):
    """A namespace for each test, kubectl in it, and the plain API through `kubectl proxy`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kubeconfig = REAL or cls.open_sandbox()
        cls.proxy = cls.background(KUBECTL, "proxy", "--port=0",
                                   env={**os.environ, "KUBECONFIG": cls.kubeconfig})
        cls.base = "http://" + cls.proxy.stdout.readline().split()[-1]

    @classmethod
    def open_sandbox(cls):
        folder = tempfile.TemporaryDirectory(prefix="crumble-it-")
        cls.addClassCleanup(folder.cleanup)
        process = cls.background(SANDBOX, "--dir", folder.name + "/sandbox")
        word, path = process.stdout.readline().split(" ", 1)
        assert word == "ready", path
        return path.strip()

    @classmethod
    def background(cls, *command, **more):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                   text=True, **more)

        def end():
            process.terminate()
            process.wait(30)
            process.stdout.close()

        cls.addClassCleanup(end)
        return process

    def setUp(self):
        super().setUp()
        self.ns = "crumble-test-" + secrets.token_hex(4)
        self.create_namespace()
        self.addCleanup(self.kubectl, "delete", "namespace", self.ns, "--wait=false")
        until(lambda: "default" in self.kubectl("get", "serviceaccounts", "-o", "name"))

    def environment(self):
        return {**os.environ, "KUBECONFIG": self.kubeconfig, "HOME": str(self.dir)}

    def kubectl(self, *args, input=None, code=0):
        done = subprocess.run([KUBECTL, "--cache-dir", str(self.dir / "cache"), "-n", self.ns,
                               *args], input=input, text=True, capture_output=True, timeout=180,
                              env=self.environment())
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def follow(self, *args):
        """A kubectl that goes on; read its standard output."""
        process = subprocess.Popen([KUBECTL, "--cache-dir", str(self.dir / "cache"), "-n", self.ns,
                                    *args], stdout=subprocess.PIPE, text=True,
                                   env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def create_namespace(self):
        # JSON of a file: newer kubectls send `create namespace` as protobuf.
        self.kubectl("create", "--validate=false", "-f", "-", input="apiVersion: v1\n"
                     "kind: Namespace\nmetadata: {name: %s}\n" % self.ns)

    def create(self, text):
        return self.kubectl("create", "--validate=false", "-f", "-", input=text)

    def get(self, *args):
        out = self.kubectl("get", *args, "-o", "json")
        return json.JSONDecoder().raw_decode(out)[0]  # warnings of the server come behind it

    def rolled_out(self, what):
        self.kubectl("rollout", "status", what, "--timeout=120s")

    def start_web(self, kind="Deployment", replicas=2):
        self.create(web(kind, replicas))
        self.rolled_out(kind.lower() + "/web")

    def pods(self, selector="app=web"):
        return {p["metadata"]["name"]: p for p in self.get("pods", "-l", selector)["items"]}

    def api(self, path, method="GET", body=None, **headers):
        """status, parsed body (or text); a path without / is one of the test's namespace."""
        if not path.startswith("/"):
            path = "/api/v1/namespaces/%s/%s" % (self.ns, path)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        headers.setdefault("Accept", "application/json")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.base + path, method=method, headers=headers,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                status, data = reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, data = error.code, error.read().decode()
        try:
            return status, json.loads(data)
        except ValueError:
            return status, data
