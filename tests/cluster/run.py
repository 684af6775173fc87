#!/usr/bin/env python3
"""One suite, two clusters: tests/integration/test_kubernetes*.py on the sandbox and on a real
Kubernetes ($TEST_KUBECONFIG's, or one that is brought up here and taken down again, whatever
ends this program), and test_real*.py on the real one alone. Exits with 77 where that is skipped."""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SUITE = HERE.parent / "integration"
CLUSTER = HERE / "cluster.sh"


def run(title, scripts, **settings):
    env = {k: v for k, v in os.environ.items() if k != "TEST_KUBECONFIG"}
    env["PYTHONPATH"] = str(SUITE)
    good = True
    for script in scripts:
        print("== %s on %s" % (script.stem, title), flush=True)
        good &= subprocess.run([sys.executable, "-B", str(script), "-v"],
                               env={**env, **settings}).returncode == 0
    return good


def both(kubeconfig, real=()):
    suite = sorted(SUITE.glob("test_kubernetes*.py"))
    good = run("the sandbox", suite)
    return run("Kubernetes", [*suite, *real], TEST_KUBECONFIG=kubeconfig) and good


def bring_up():
    # The cluster and its folder go when our end of the pipe closes, by whatever; nobody else
    # inherits it.
    os.environ["CLUSTER_DIR"] = tempfile.mkdtemp(prefix="crumble-cluster-")
    return subprocess.Popen([CLUSTER, "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, start_new_session=True)


def main():
    if os.environ.get("TEST_KUBECONFIG"):
        return 0 if both(os.environ["TEST_KUBECONFIG"]) else 1
    missing = subprocess.run([CLUSTER, "missing"], text=True, stdout=subprocess.PIPE).stdout
    if missing:
        print("SKIPPED test-kubernetes: this machine lacks " + ", ".join(missing.splitlines()))
        return 77
    holder = bring_up()
    try:
        word, _, path = holder.stdout.readline().strip().partition(" ")
        if word != "ready":
            print("test-kubernetes: the cluster did not come up")
            return 1
        return 0 if both(path, sorted(HERE.glob("test_real*.py"))) else 1
    finally:
        holder.stdin.close()
        holder.wait()


sys.exit(main())
