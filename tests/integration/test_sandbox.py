"""The sandbox as kubectl and a plain client see it, and how it ends, whatever ends it."""
import base64
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

from harness import BUILD, Case

SANDBOX = str(BUILD / "crumble-sandbox")
KUBECTL = os.environ.get("KUBECTL", "kubectl")
PYTHON = "/usr/bin/python3"

WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: pages}
data:
  index.html: "served from /pages\\n"
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: localhost/web:1
        command: [%s, -u, -m, http.server, --bind, $(POD_IP), --directory, /pages, "8080"]
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        volumeMounts: [{name: pages, mountPath: /pages}]
      volumes: [{name: pages, configMap: {name: pages}}]
""" % PYTHON


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


def descendants(pid):
    """Every process below pid."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, todo = set(), [pid]
    while todo:
        parent = todo.pop()
        for child in [p for p, of in parents.items() if of == parent]:
            found.add(child)
            todo.append(child)
    return found


def runs(pid):
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class SandboxCase(Case):
    def setUp(self):
        super().setUp()
        self.sandbox = self.open_sandbox("sandbox")

    def open_sandbox(self, name, *args, **more):
        log = open(self.dir / (name + ".log"), "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen([SANDBOX, "--dir", str(self.dir / name), *args],
                                   stdout=subprocess.PIPE, stderr=log, text=True, **more)
        self.addCleanup(self.close_sandbox, process)
        line = process.stdout.readline()
        self.assertRegex(line, "^ready .*/kubeconfig$", (self.dir / (name + ".log")).read_text())
        self.kubeconfig = line.split(" ", 1)[1].strip()
        return process

    def close_sandbox(self, process):
        if process.poll() is None:
            process.terminate()
            self.assertEqual(process.wait(30), 0, self.sandbox_log())
        process.stdout.close()

    def sandbox_log(self):
        return "".join(p.read_text(errors="replace") for p in self.dir.glob("*.log"))

    def tearDown(self):
        self.close_sandbox(self.sandbox)
        self.assertNotIn("Sanitizer", self.sandbox_log())

    # ---- kubectl ----

    def kubectl(self, *args, input=None, code=0):
        done = subprocess.run([KUBECTL, "--cache-dir", str(self.dir / "cache"), *args],
                              input=input, text=True, capture_output=True, timeout=120,
                              env={**os.environ, "KUBECONFIG": self.kubeconfig,
                                   "HOME": str(self.dir)})
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def create(self, text):
        return self.kubectl("create", "--validate=false", "-f", "-", input=text)

    def get(self, *args):
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def start_web(self):
        self.create(WEB)
        self.assertIn("successfully rolled out",
                      self.kubectl("rollout", "status", "deployment/web", "--timeout=60s"))

    def pods(self):
        return {p["metadata"]["name"]: p for p in self.get("pods", "-l", "app=web")["items"]}

    def fetch(self, url):
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read().decode()

    # ---- the plain API ----

    def api(self, path, method="GET", body=None, token=True, **headers):
        """status, parsed body (or text)."""
        text = pathlib.Path(self.kubeconfig).read_text()
        server = re.search("server: (.*)", text)[1]
        ca = base64.b64decode(re.search("certificate-authority-data: (.*)", text)[1]).decode()
        if token:
            headers["Authorization"] = "Bearer " + re.search("token: (.*)", text)[1]
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(server + path, method=method, headers=headers,
                                         data=json.dumps(body).encode() if body is not None
                                         else None)
        context = ssl.create_default_context(cadata=ca)
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as reply:
                status, data = reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, data = error.code, error.read().decode()
        try:
            return status, json.loads(data)
        except ValueError:
            return status, data


class Kubectl(SandboxCase):
    def test_a_web_deployment_through_its_life(self):
        self.start_web()
        everything = self.kubectl("get", "all")
        for line in (r"pod/web-[^ ]+ +1/1 +Running", r"service/web +ClusterIP",
                     r"deployment.apps/web +2/2 +2 +2", r"replicaset.apps/web-[^ ]+ +2 +2 +2"):
            self.assertRegex(everything, line)
        wide = self.kubectl("get", "pods", "-o", "wide")
        self.assertRegex(wide, r"NAME +READY +STATUS +RESTARTS +AGE +IP +NODE")
        self.assertRegex(self.kubectl("describe", "pod", "-l", "app=web"), r"Started")
        ip = self.get("service", "web")["spec"]["clusterIP"]
        self.assertIn("served from " + str(self.dir), self.fetch("http://%s:8080/" % ip))
        self.assertIn("GET /", self.kubectl("logs", "deployment/web", "--tail=5"))

        self.kubectl("scale", "deployment", "web", "--replicas=3")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        self.assertEqual(len(self.pods()), 3)

        before = set(self.pods())
        self.kubectl("rollout", "restart", "deployment/web")
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        until(lambda: len(self.pods()) == 3)
        self.assertFalse(before & set(self.pods()))

        self.kubectl("delete", "deployment/web", "service/web", "--timeout=60s")
        until(lambda: not self.pods())
        with self.assertRaises(OSError):
            self.fetch("http://%s:8080/" % ip)

    def test_a_deleted_pod_is_replaced(self):
        self.start_web()
        before = self.pods()
        name = sorted(before)[0]
        self.kubectl("delete", "pod", name)
        until(lambda: len(self.pods()) == 2 and name not in self.pods())
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        after = self.pods()
        uids = {p["metadata"]["uid"] for p in before.values()}
        fresh = [p for p in after.values() if p["metadata"]["uid"] not in uids]
        self.assertEqual(len(fresh), 1)
        self.assertNotIn(fresh[0]["metadata"]["name"], before)
        self.assertNotIn(fresh[0]["status"]["podIP"],
                         {p["status"]["podIP"] for p in before.values()})

    def test_no_request_is_lost_when_pods_go_gracefully(self):
        self.create(WEB.replace("        ports: [{name: http, containerPort",
                                "        lifecycle: {preStop: {sleep: {seconds: 1}}}\n"
                                "        ports: [{name: http, containerPort"))
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        url = "http://%s:8080/" % self.get("service", "web")["spec"]["clusterIP"]
        failures, served, stop = [], [0], threading.Event()

        def ask():
            while not stop.is_set():
                try:
                    self.fetch(url)
                    served[0] += 1
                except OSError as error:
                    failures.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for _ in range(3):
                self.kubectl("delete", "pod", sorted(self.pods())[0])
                self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(served[0], 50)

    def test_a_watch_tells_what_happens(self):
        self.start_web()
        watch = subprocess.Popen([KUBECTL, "--cache-dir", str(self.dir / "cache"), "get", "pods",
                                  "-w"], stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "KUBECONFIG": self.kubeconfig,
                                      "HOME": str(self.dir)})
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        watch.stdout.readline()
        name = watch.stdout.readline().split()[0]
        self.kubectl("delete", "pod", name, "--wait=false")
        lines = []
        while not any(line.startswith(name) and "Terminating" in line for line in lines):
            line = watch.stdout.readline()
            self.assertTrue(line, lines)
            lines.append(line)

    def test_kinds_of_workloads(self):
        self.create("""
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: i, command: [sh, -c, "echo $HOSTNAME >>/data/seen; exec sleep 1000"],
        volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: i, command: [sleep, "1000"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: good}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: i, command: [sh, -c, "echo done"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: c, image: i, command: [sh, -c, "exit 3"]}]}
""")
        self.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        self.kubectl("rollout", "status", "daemonset/agent", "--timeout=60s")
        self.kubectl("wait", "--for=condition=complete", "job/good", "--timeout=60s")
        self.kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=60s")
        self.assertEqual(self.kubectl("logs", "job/good"), "done\n")
        self.assertEqual(self.kubectl("get", "pods", "-l", "app=agent", "-o", "name").count("pod/"), 3)
        uid = self.get("pod", "db-1")["metadata"]["uid"]
        self.kubectl("delete", "pod", "db-1")
        until(lambda: "db-1" in self.kubectl("get", "pods") and
              self.get("pod", "db-1")["metadata"]["uid"] != uid)
        self.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        seen = [p.read_text() for p in self.dir.glob("sandbox/c/*/seen")]
        self.assertIn("db-1\ndb-1\n", seen, "the claim outlives the pod")
        self.kubectl("rollout", "restart", "statefulset/db")
        self.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
        self.kubectl("delete", "namespace", "default", "--timeout=60s")
        until(lambda: not descendants(self.sandbox.pid))


POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: one}}
spec:
  terminationGracePeriodSeconds: %d
  restartPolicy: %s
  containers:
  - name: c
    image: i
    command: [sh, -c, %s]
"""


class Pods(SandboxCase):
    def pod(self, name, script, grace=30, policy="Always", more=""):
        self.create(POD % (name, grace, policy, json.dumps(script)) + more)

    def status(self, name="p"):
        return self.get("pod", name)["status"]

    def main(self, name="p"):
        return self.status(name).get("containerStatuses", [{}])[0]

    def test_end_in_order_hook_term_kill(self):
        self.create("""
apiVersion: v1
kind: Service
metadata: {name: p}
spec: {selector: {app: one}, ports: [{port: 80, targetPort: 8080}]}
""")
        self.pod("p", "trap 'echo term' TERM; echo up; while :; do sleep 0.05; done", grace=3,
                 more="    lifecycle: {preStop: {exec: {command: [sh, -c, 'echo hook >>%s/order']}}}\n"
                 % self.dir)
        until(lambda: "up" in self.kubectl("logs", "p", code=None))
        self.assertTrue(until(lambda: self.get("endpoints", "p").get("subsets")))
        follow = subprocess.Popen([KUBECTL, "--cache-dir", str(self.dir / "cache"), "logs", "-f",
                                   "p"], stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, "KUBECONFIG": self.kubeconfig,
                                       "HOME": str(self.dir)})
        self.assertEqual(follow.stdout.readline(), "up\n")
        self.kubectl("delete", "pod", "p", "--wait=false")
        until(lambda: not self.get("endpoints", "p").get("subsets"))
        pod = self.get("pod", "p")
        self.assertIn("deletionTimestamp", pod["metadata"])
        self.assertEqual(pod["metadata"]["deletionGracePeriodSeconds"], 3)
        with follow:
            self.assertIn("term\n", follow.stdout.read())
        until(lambda: "NotFound" in self.kubectl("get", "pod", "p", code=None))
        self.assertEqual((self.dir / "order").read_text(), "hook\n")
        until(lambda: not descendants(self.sandbox.pid))

    def test_nothing_of_a_pod_outlives_it(self):
        self.pod("p", "setsid sleep 1000 & setsid setsid sleep 1000 & exec sleep 1000", grace=0)
        until(lambda: len(descendants(self.sandbox.pid)) >= 4)
        self.kubectl("delete", "pod", "p", "--timeout=30s")
        until(lambda: not descendants(self.sandbox.pid))

    def test_crashes_are_counted_and_backed_off(self):
        self.pod("p", "echo run; exit 1")
        until(lambda: self.main().get("restartCount", 0) >= 2)
        waiting = until(lambda: self.main()["state"].get("waiting"))
        self.assertEqual(waiting["reason"], "CrashLoopBackOff")
        self.assertEqual(self.main()["lastState"]["terminated"]["exitCode"], 1)
        self.assertRegex(self.kubectl("get", "pods"), r"p +0/1 +CrashLoopBackOff +\d+ \(\d+s ago\)")

    def test_ends_as_their_policy_says(self):
        self.pod("good", "exit 0", policy="Never")
        self.pod("bad", "exit 3", policy="OnFailure")
        self.pod("never", "exit 3", policy="Never")
        until(lambda: self.status("good")["phase"] == "Succeeded")
        until(lambda: self.status("never")["phase"] == "Failed")
        until(lambda: self.main("bad").get("restartCount", 0) >= 1)
        self.assertEqual(self.main("never")["state"]["terminated"]["exitCode"], 3)
        self.assertRegex(self.kubectl("get", "pods"), r"good +0/1 +Completed")

    def test_deadline(self):
        self.pod("p", "exec sleep 1000", grace=0, more="  activeDeadlineSeconds: 1\n")
        until(lambda: self.status()["phase"] == "Failed")
        self.assertEqual(self.status()["reason"], "DeadlineExceeded")

    def test_readiness_follows_the_probe_and_liveness_restarts(self):
        flag, alive = self.dir / "ready", self.dir / "alive"
        alive.touch()
        self.pod("p", "exec sleep 1000", grace=0, more="""
    readinessProbe: {exec: {command: [test, -e, %s]}, periodSeconds: 1, failureThreshold: 1}
    livenessProbe: {exec: {command: [test, -e, %s]}, periodSeconds: 1, failureThreshold: 1}
""" % (flag, alive))
        until(lambda: self.main().get("state", {}).get("running"))
        self.assertFalse(self.main()["ready"])
        flag.touch()
        until(lambda: self.main()["ready"])
        flag.unlink()
        until(lambda: not self.main()["ready"])
        alive.unlink()
        until(lambda: self.main()["restartCount"] == 1)
        alive.touch()

    def test_init_containers_come_before(self):
        self.create("""
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  initContainers:
  - {name: a, image: i, command: [sh, -c, "echo a >>%s/seen"]}
  - {name: b, image: i, command: [sh, -c, "echo b >>%s/seen"]}
  containers:
  - {name: c, image: i, command: [sh, -c, "echo c >>%s/seen"]}
""" % (self.dir, self.dir, self.dir))
        until(lambda: self.status()["phase"] == "Succeeded")
        self.assertEqual((self.dir / "seen").read_text(), "a\nb\nc\n")

    def test_missing_program_and_missing_map(self):
        self.create(POD % ("p", 0, "Always", '"true"') + """
    env: [{name: A, valueFrom: {configMapKeyRef: {name: later, key: a}}}]
""")
        waiting = until(lambda: self.main().get("state", {}).get("waiting"))
        until(lambda: "not found" in self.main()["state"].get("waiting", {}).get("message", ""))
        self.assertIn(waiting["reason"], ("ContainerCreating", "CreateContainerConfigError"))
        self.kubectl("create", "--validate=false", "-f", "-", input="""
apiVersion: v1
kind: ConfigMap
metadata: {name: later}
data: {a: b}
""")
        until(lambda: self.main()["state"].get("terminated") or self.main()["restartCount"])
        self.create("""
apiVersion: v1
kind: Pod
metadata: {name: none}
spec: {restartPolicy: Never, containers: [{name: c, image: i, command: [no-such-program]}]}
""")
        until(lambda: self.status("none")["phase"] == "Failed")
        self.assertIn("no-such-program", self.main("none")["state"]["terminated"]["message"])


class Api(SandboxCase):
    MAPS = "/api/v1/namespaces/default/configmaps"

    def map(self, name, **data):
        return self.api(self.MAPS, "POST", {"apiVersion": "v1", "kind": "ConfigMap",
                                            "metadata": {"name": name}, "data": data})

    def test_errors_have_the_real_words(self):
        self.assertEqual(self.api("/api/v1/pods", token=False)[0], 401)
        self.assertEqual(self.api("/api/v1/pods", token=False, Authorization="Bearer no")[1]["message"],
                         "Unauthorized")
        status, body = self.api("/api/v1/namespaces/default/pods/nothing")
        self.assertEqual((status, body["message"], body["details"]),
                         (404, 'pods "nothing" not found', {"name": "nothing", "kind": "pods"}))
        status, body = self.api("/api/v1/pods?fieldSelector=spec.color%3Dred")
        self.assertEqual((status, body["message"]), (400, "field label not supported: spec.color"))
        self.assertEqual(self.map("one", a="1")[0], 201)
        status, body = self.map("one")
        self.assertEqual((status, body["reason"], body["message"]),
                         (409, "AlreadyExists", 'configmaps "one" already exists'))
        status, body = self.api(self.MAPS + "/one", "PUT", {
            "metadata": {"name": "one", "resourceVersion": "1"}, "data": {"a": "2"}})
        self.assertEqual((status, body["reason"]), (409, "Conflict"))
        status, body = self.api(self.MAPS + "/one", "DELETE", {
            "preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}})
        self.assertEqual(status, 409)
        self.assertIn("the UID in the precondition (00000000-0000-0000-0000-000000000000) does "
                      "not match the UID in record", body["message"])
        self.assertEqual(self.map("Not_Valid")[0], 422)
        self.assertEqual(self.api("/api/v1/namespaces/nowhere/configmaps", "POST",
                                  {"metadata": {"name": "x"}})[1]["message"],
                         'namespaces "nowhere" not found')

    def test_pages_show_one_moment_and_expire(self):
        for i in range(5):
            self.map("m%d" % i)
        status, page = self.api(self.MAPS + "?limit=2")
        self.assertEqual([m["metadata"]["name"] for m in page["items"]], ["m0", "m1"])
        self.assertEqual(page["metadata"]["remainingItemCount"], 3)
        self.api(self.MAPS + "/m3", "DELETE")
        token = page["metadata"]["continue"]
        status, rest = self.api(self.MAPS + "?limit=9&continue=" + token)
        self.assertEqual([m["metadata"]["name"] for m in rest["items"]], ["m2", "m3", "m4"])
        self.assertEqual(rest["metadata"]["resourceVersion"], page["metadata"]["resourceVersion"])
        self.assertNotIn("kind", rest["items"][0])

        self.close_sandbox(self.sandbox)
        self.sandbox = self.open_sandbox("short", "--history", "10")
        for i in range(4):
            self.map("m%d" % i)
        token = self.api(self.MAPS + "?limit=2")[1]["metadata"]["continue"]
        old = self.api(self.MAPS)[1]["metadata"]["resourceVersion"]
        for i in range(20):
            self.api(self.MAPS + "/m0", "PATCH", {"data": {"n": str(i)}},
                     Content_Type="application/merge-patch+json")
        status, gone = self.api(self.MAPS + "?limit=2&continue=" + token)
        self.assertEqual((status, gone["reason"]), (410, "Expired"))
        status, rest = self.api(self.MAPS + "?continue=" + gone["metadata"]["continue"])
        self.assertEqual([m["metadata"]["name"] for m in rest["items"]], ["m2", "m3"])
        status, event = self.api(self.MAPS + "?watch=1&resourceVersion=" + old)
        self.assertEqual((status, event["type"], event["object"]["code"]), (200, "ERROR", 410))
        self.assertEqual(self.api(self.MAPS + "?resourceVersion=99999999")[0], 504)

    def test_evictions_keep_to_the_budget(self):
        self.start_web()
        self.create("""
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
""")
        until(lambda: self.get("pdb", "web")["status"].get("disruptionsAllowed") == 1)
        one, two = sorted(self.pods())
        evict = lambda name: self.api("/api/v1/namespaces/default/pods/%s/eviction" % name, "POST",
                                      {"apiVersion": "policy/v1", "kind": "Eviction",
                                       "metadata": {"name": name}})
        self.assertEqual(evict(one)[0], 201)
        status, body = evict(two)
        self.assertEqual(status, 429)
        self.assertEqual(body["details"]["causes"][0]["reason"], "DisruptionBudget")

    def test_garbage_follows_its_owner(self):
        self.start_web()
        self.kubectl("delete", "deployment", "web", "--cascade=orphan")
        self.assertEqual(len(self.pods()), 2)
        sets = self.get("rs")["items"]
        self.assertNotIn("ownerReferences", sets[0]["metadata"])
        self.kubectl("delete", "rs", sets[0]["metadata"]["name"], "--cascade=foreground",
                     "--timeout=60s")
        self.assertEqual(self.pods(), {})


class Ends(SandboxCase):
    def busy(self):
        self.start_web()
        below = until(lambda: descendants(self.sandbox.pid))
        address = (self.get("service", "web")["spec"]["clusterIP"], 8080)
        socket.create_connection(address, 5).close()
        return below, address

    def check_gone(self, below, address):
        until(lambda: not any(map(runs, below)))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(address, 5).close()
        self.open_sandbox("sandbox")  # folder and lock are free again

    def test_by_sigkill(self):
        below, address = self.busy()
        self.sandbox.kill()
        self.sandbox.wait(30)
        self.check_gone(below, address)

    def test_by_sigterm(self):
        below, address = self.busy()
        self.sandbox.terminate()
        self.assertEqual(self.sandbox.wait(30), 0)
        self.check_gone(below, address)

    def test_by_its_lifeline(self):
        self.close_sandbox(self.sandbox)
        ours, theirs = os.pipe()
        self.sandbox = self.open_sandbox("lined", "--lifeline", str(ours), pass_fds=[ours])
        os.close(ours)
        below, address = self.busy()
        os.close(theirs)
        self.assertEqual(self.sandbox.wait(30), 0)
        self.check_gone(below, address)

    def test_errors_are_one_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for args, code, word in (
                    (["--dir", str(self.dir / "other"), "--port", port], 3, port),
                    (["--dir", str(self.dir / "sandbox")], 3, "runs in"),
                    (["--dir", "/proc/none/here"], 3, "/proc/none/here"),
                    (["--port", "99999", "--dir", "x"], 2, "99999"), ([], 2, "--dir"),
                    (["--lifeline", "77", "--dir", "x"], 2, "77")):
                done = subprocess.run([SANDBOX, *args], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(word, done.stderr)

    def test_two_side_by_side(self):
        self.start_web()
        first = self.get("service", "web")["spec"]["clusterIP"]
        self.open_sandbox("second")
        self.start_web()
        second = self.get("service", "web")["spec"]["clusterIP"]
        self.assertNotEqual(first, second)
        for ip in (first, second):
            self.assertIn("served", self.fetch("http://%s:8080/" % ip))


if __name__ == "__main__":
    unittest.main()
