"""What kubectl and a plain client see of Kubernetes. `make test` runs it on the sandbox, and
`make test-kubernetes` on a real cluster too, where nothing of it may go otherwise."""
import json
import re
import unittest

from kubernetes import KubernetesCase, until

POD = """
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: one}}
spec:
  terminationGracePeriodSeconds: %d
  restartPolicy: %s
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: c
    image: localhost/busybox:1
    volumeMounts: [{name: v, mountPath: /v}]
    command: [sh, -c, %s]
"""


class Kubectl(KubernetesCase):
    def test_a_web_deployment_through_its_life(self):
        self.start_web()
        everything = self.kubectl("get", "all")
        for line in (r"pod/web-[^ ]+ +1/1 +Running +0 ", r"service/web +NodePort",
                     r"deployment.apps/web +2/2 +2 +2", r"replicaset.apps/web-[^ ]+ +2 +2 +2"):
            self.assertRegex(everything, line)
        wide = self.kubectl("get", "pods", "-o", "wide")
        self.assertRegex(wide, r"NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE "
                               r"+READINESS GATES")
        told = self.kubectl("describe", "pod", "-l", "app=web")
        for event in ("Scheduled", "Created", "Started"):
            self.assertIn(event, told)
        self.assertIn("response:200", self.kubectl("logs", "deployment/web", "--tail=5"))

        self.kubectl("scale", "deployment", "web", "--replicas=3")
        self.rolled_out("deployment/web")
        self.assertEqual(len(self.pods()), 3)
        before = set(self.pods())
        self.kubectl("rollout", "restart", "deployment/web")
        self.rolled_out("deployment/web")
        until(lambda: len(self.pods()) == 3)
        self.assertFalse(before & set(self.pods()))
        self.assertEqual(self.get("deployment", "web")["metadata"]["generation"], 3)
        self.kubectl("delete", "deployment/web", "service/web", "--timeout=60s")
        until(lambda: not self.pods())

    def test_a_deleted_pod_is_replaced(self):
        self.start_web()
        before = self.pods()
        name = sorted(before)[0]
        self.kubectl("delete", "pod", name)
        until(lambda: len(self.pods()) == 2 and name not in self.pods())
        self.rolled_out("deployment/web")
        fresh = set(self.pods()) - set(before)
        self.assertEqual(len(fresh), 1)

    def test_a_watch_tells_what_happens(self):
        self.start_web()
        watch = self.follow("get", "pods", "-w")
        watch.stdout.readline()
        name = watch.stdout.readline().split()[0]
        self.kubectl("delete", "pod", name, "--wait=false")
        lines = []
        while not any(line.startswith(name) and "Terminating" in line for line in lines):
            line = watch.stdout.readline()
            self.assertTrue(line, lines)
            lines.append(line)

    def test_kinds_of_workloads(self):
        self.start_web("StatefulSet")
        self.create("""
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: localhost/busybox:1, command: [sleep, "1000"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: good}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: localhost/busybox:1, command: [sh, -c, "echo done"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: localhost/busybox:1, command: [sh, -c, "exit 3"]}]
""")
        self.rolled_out("daemonset/agent")
        self.kubectl("wait", "--for=condition=complete", "job/good", "--timeout=60s")
        self.kubectl("wait", "--for=condition=failed", "job/bad", "--timeout=60s")
        self.assertEqual(self.kubectl("logs", "job/good"), "done\n")
        agents = self.pods("app=agent").values()
        self.assertEqual(len(agents), len(self.get("nodes")["items"]))
        self.assertEqual(len(agents), len({p["spec"]["nodeName"] for p in agents}))
        self.assertEqual(set(self.pods()), {"web-0", "web-1"})
        uid = self.pods()["web-1"]["metadata"]["uid"]
        self.kubectl("delete", "pod", "web-1")
        until(lambda: self.pods().get("web-1", {}).get("metadata", {}).get("uid", uid) != uid)
        self.rolled_out("statefulset/web")
        self.kubectl("rollout", "restart", "statefulset/web")
        self.rolled_out("statefulset/web")

    def test_garbage_follows_its_owner(self):
        self.start_web()
        self.kubectl("delete", "deployment", "web", "--cascade=orphan")
        self.assertEqual(len(self.pods()), 2)
        name = self.get("rs")["items"][0]["metadata"]["name"]
        until(lambda: "ownerReferences" not in self.get("rs", name)["metadata"])
        self.kubectl("delete", "rs", name, "--cascade=foreground", "--timeout=60s")
        self.assertEqual(self.pods(), {})


class Pods(KubernetesCase):
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
        self.pod("p", "trap 'cat /v/order; echo term' TERM; echo up; while :; do sleep 0.05; done",
                 grace=3, more="    lifecycle: {preStop: {exec: "
                 "{command: [sh, -c, 'echo hook >>/v/order']}}}\n")
        until(lambda: "up" in self.kubectl("logs", "p", code=None))
        self.assertTrue(until(lambda: self.get("endpoints", "p").get("subsets")))
        follow = self.follow("logs", "-f", "p")
        self.assertEqual(follow.stdout.readline(), "up\n")
        self.kubectl("delete", "pod", "p", "--wait=false")
        until(lambda: not any(s.get("addresses") for s in
                              self.get("endpoints", "p").get("subsets") or []))
        pod = self.get("pod", "p")
        self.assertIn("deletionTimestamp", pod["metadata"])
        self.assertEqual(pod["metadata"]["deletionGracePeriodSeconds"], 3)
        self.assertEqual(follow.stdout.read(), "hook\nterm\n")
        until(lambda: "NotFound" in self.kubectl("get", "pod", "p", code=None))

    def test_crashes_are_counted(self):
        self.pod("p", "echo run; exit 1")
        until(lambda: self.main().get("restartCount", 0) >= 2)
        self.assertEqual(self.main()["lastState"]["terminated"]["exitCode"], 1)
        table = r"p +0/1 +(CrashLoopBackOff|Error) +\d+ \(\d+s ago\)"
        until(lambda: re.search(table, self.kubectl("get", "pods")))

    def test_ends_as_their_policy_says(self):
        self.pod("good", "exit 0", policy="Never")
        self.pod("bad", "exit 3", policy="OnFailure")
        self.pod("never", "exit 3", policy="Never")
        until(lambda: self.status("good")["phase"] == "Succeeded")
        until(lambda: self.status("never")["phase"] == "Failed")
        until(lambda: self.main("bad").get("restartCount", 0) >= 1)
        self.assertEqual(self.main("never")["state"]["terminated"]["exitCode"], 3)
        self.assertEqual(self.main("never")["state"]["terminated"]["reason"], "Error")
        table = self.kubectl("get", "pods")
        self.assertRegex(table, r"good +0/1 +Completed +0 ")
        self.assertRegex(table, r"never +0/1 +Error +0 ")

    def test_deadline(self):
        self.pod("p", "exec sleep 1000", grace=0, more="  activeDeadlineSeconds: 1\n")
        until(lambda: self.status()["phase"] == "Failed")
        self.assertEqual(self.status()["reason"], "DeadlineExceeded")

    def test_readiness_follows_the_probe_and_liveness_restarts(self):
        self.pod("p", "touch /v/alive; sleep 3; touch /v/ready; sleep 4; rm /v/ready; sleep 4; "
                 "rm /v/alive; exec sleep 1000", grace=0, more="""
    readinessProbe: {exec: {command: [test, -e, /v/ready]}, periodSeconds: 1, failureThreshold: 1}
    livenessProbe:
      {exec: {command: [test, -e, /v/alive]}, periodSeconds: 1, failureThreshold: 1,
       initialDelaySeconds: 2}
""")
        until(lambda: self.main().get("state", {}).get("running"))
        self.assertFalse(self.main()["ready"])
        until(lambda: self.main()["ready"])
        until(lambda: not self.main()["ready"])
        until(lambda: self.main()["restartCount"] == 1)

    def test_init_containers_come_before(self):
        self.create("""
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  volumes: [{name: v, emptyDir: {}}]
  initContainers:
  - {name: a, image: "localhost/busybox:1", command: [sh, -c, "echo a >>/v/seen"],
     volumeMounts: [{name: v, mountPath: /v}]}
  - {name: b, image: "localhost/busybox:1", command: [sh, -c, "echo b >>/v/seen"],
     volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: c, image: "localhost/busybox:1", command: [cat, /v/seen],
     volumeMounts: [{name: v, mountPath: /v}]}
""")
        until(lambda: self.status()["phase"] == "Succeeded")
        self.assertEqual(self.kubectl("logs", "p"), "a\nb\n")

    def test_a_missing_map_is_waited_for(self):
        self.pod("p", "true", grace=0, more="""
    env: [{name: A, valueFrom: {configMapKeyRef: {name: later, key: a}}}]
""")
        until(lambda: self.main().get("state", {}).get("waiting", {}).get("reason") ==
              "CreateContainerConfigError")
        self.assertIn('configmap "later" not found', self.main()["state"]["waiting"]["message"])
        self.create("""
apiVersion: v1
kind: ConfigMap
metadata: {name: later}
data: {a: b}
""")
        until(lambda: self.main()["state"].get("terminated") or self.main()["restartCount"])

    def test_a_missing_program_is_told(self):
        self.create("""
apiVersion: v1
kind: Pod
metadata: {name: none}
spec:
  restartPolicy: Never
  containers: [{name: c, image: "localhost/busybox:1", command: [no-such-program]}]
""")
        until(lambda: self.status("none")["phase"] == "Failed")
        state = self.main("none")["state"]["terminated"]
        self.assertIn("no-such-program", state["message"])
        self.assertEqual((state["exitCode"], state["reason"]), (128, "StartError"))


class Api(KubernetesCase):
    def map(self, name, **data):
        return self.api("configmaps", "POST", {"apiVersion": "v1", "kind": "ConfigMap",
                                               "metadata": {"name": name}, "data": data})

    def test_errors_have_the_real_words(self):
        status, body = self.api("pods/nothing")
        self.assertEqual((status, body["message"], body["details"]),
                         (404, 'pods "nothing" not found', {"name": "nothing", "kind": "pods"}))
        status, body = self.api("pods?fieldSelector=spec.color%3Dred")
        self.assertEqual(status, 400)
        self.assertIn("field label not supported: spec.color", body["message"])
        self.assertEqual(self.api("pods?labelSelector=a%20in%20b")[0], 400)
        self.assertEqual(self.map("one", a="1")[0], 201)
        status, body = self.map("one")
        self.assertEqual((status, body["reason"], body["message"]),
                         (409, "AlreadyExists", 'configmaps "one" already exists'))
        status, body = self.api("configmaps/one", "PUT", {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "one", "resourceVersion": "1"}, "data": {"a": "2"}})
        self.assertEqual((status, body["reason"]), (409, "Conflict"))
        self.assertIn("the object has been modified; please apply your changes to the latest "
                      "version and try again", body["message"])
        status, body = self.api("configmaps/one", "DELETE", {
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}})
        self.assertEqual((status, body["reason"]), (409, "Conflict"))
        self.assertIn("the UID in the precondition (00000000-0000-0000-0000-000000000000) does "
                      "not match the UID in record", body["message"])
        status, body = self.map("Not_Valid")
        self.assertEqual((status, body["reason"], body["details"]["causes"][0]["field"]),
                         (422, "Invalid", "metadata.name"))
        status, body = self.api("/api/v1/namespaces/nowhere/configmaps", "POST", {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})
        self.assertEqual((status, body["message"]), (404, 'namespaces "nowhere" not found'))
        self.assertEqual(self.api("/apis/none.example/v1/things")[0], 404)
        self.assertEqual(self.api("configmaps", "DELETE", Content_Type="application/json")[0], 200)

    def test_pages_show_one_moment(self):
        for i in range(5):
            self.map("m%d" % i)
        status, page = self.api("configmaps?limit=2&labelSelector=")
        names = [m["metadata"]["name"] for m in page["items"]]
        self.assertEqual(len(names), 2)
        self.api("configmaps/m3", "DELETE")
        token = page["metadata"]["continue"]
        status, rest = self.api("configmaps?limit=9&continue=" + token)
        names += [m["metadata"]["name"] for m in rest["items"]]
        self.assertEqual([n for n in names if n.startswith("m")], ["m0", "m1", "m2", "m3", "m4"])
        self.assertEqual(rest["metadata"]["resourceVersion"], page["metadata"]["resourceVersion"])
        self.assertNotIn("kind", rest["items"][0])
        status, body = self.api("configmaps?limit=2&continue=nonsense")
        self.assertEqual((status, body["reason"]), (400, "BadRequest"))

    def test_a_version_of_the_future_is_too_large(self):
        version = int(self.api("configmaps")[1]["metadata"]["resourceVersion"]) + 1000000
        status, body = self.api("configmaps?resourceVersion=%d" % version)
        self.assertEqual((status, body["reason"]), (504, "Timeout"))
        self.assertIn("Too large resource version", body["message"])
        self.assertEqual(body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge")

    def test_patches(self):
        self.map("one", a="1", b="2")
        status, body = self.api("configmaps/one", "PATCH", {"data": {"a": None, "c": "3"}},
                                Content_Type="application/merge-patch+json")
        self.assertEqual((status, body["data"]), (200, {"b": "2", "c": "3"}))
        status, body = self.api("configmaps/one", "PATCH",
                                [{"op": "replace", "path": "/data/b", "value": "4"}],
                                Content_Type="application/json-patch+json")
        self.assertEqual((status, body["data"]), (200, {"b": "4", "c": "3"}))
        status, body = self.api("configmaps/one", "PATCH",
                                [{"op": "test", "path": "/data/b", "value": "5"}],
                                Content_Type="application/json-patch+json")
        self.assertEqual(status, 422)
        self.assertEqual(self.api("configmaps/one", "PATCH", {}, Content_Type="text/x")[0], 415)

    def test_tables(self):
        self.start_web()
        accept = "application/json;as=Table;g=meta.k8s.io;v=v1"
        status, table = self.api("pods?includeObject=None&labelSelector=app%3Dweb", Accept=accept)
        self.assertEqual((status, table["kind"]), (200, "Table"))
        self.assertEqual([c["name"] for c in table["columnDefinitions"]],
                         ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node",
                          "Nominated Node", "Readiness Gates"])
        row = table["rows"][0]
        self.assertEqual(row["cells"][1:4], ["1/1", "Running", "0"])
        self.assertIsNone(row.get("object"))
        status, table = self.api("pods?includeObject=Metadata", Accept=accept)
        self.assertEqual(table["rows"][0]["object"]["kind"], "PartialObjectMetadata")
        status, table = self.api("pods?includeObject=Object", Accept=accept)
        self.assertEqual(table["rows"][0]["object"]["kind"], "Pod")
        status, body = self.api("pods", Accept="application/json;as=PartialObjectMetadataList;"
                                               "g=meta.k8s.io;v=v1")
        self.assertEqual(body["kind"], "PartialObjectMetadataList")
        self.assertNotIn("spec", body["items"][0])

    def test_field_and_label_selectors(self):
        self.start_web()
        count = lambda query: len(self.api("pods?" + query)[1]["items"])
        name = sorted(self.pods())[0]
        for query, number in (("fieldSelector=status.phase%3DRunning", 2),
                              ("fieldSelector=status.phase!%3DRunning", 0),
                              ("fieldSelector=metadata.name%3D" + name, 1),
                              ("fieldSelector=spec.nodeName%3Dnone", 0),
                              ("labelSelector=app%20in%20(web,x),!other", 2),
                              ("labelSelector=app!%3Dweb", 0), ("labelSelector=other", 0),
                              ("labelSelector=app%20notin%20(web)", 0)):
            self.assertEqual(count(query), number, query)

    def test_evictions_keep_to_the_budget(self):
        self.start_web()
        self.create("""
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
""")
        until(lambda: self.get("pdb", "web").get("status", {}).get("disruptionsAllowed") == 1)
        one, two = sorted(self.pods())
        evict = lambda name: self.api("pods/%s/eviction" % name, "POST", {
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": self.ns}})
        self.assertEqual(evict(one)[0], 201)
        status, body = evict(two)
        self.assertEqual((status, body["reason"]), (429, "TooManyRequests"))
        self.assertEqual(body["details"]["causes"][0]["reason"], "DisruptionBudget")

    def test_a_namespace_takes_all_along(self):
        self.start_web()
        self.kubectl("delete", "namespace", self.ns, "--timeout=120s")
        self.assertEqual(self.api("")[0], 404)
        self.create_namespace()  # for the cleanup, and free again
        self.assertEqual(self.api("pods")[1]["items"], [])


if __name__ == "__main__":
    unittest.main()
