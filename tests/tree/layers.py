#!/usr/bin/env python3
"""The house rules that a reader of the tree relies on: who may include whom, who may see which
library, that plug-in lists and plug-in files agree, that a file begins by saying what it is for,
and that nothing sleeps or is left for later. Prints each breach with its place."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
FOLDERS = ("base", "k8s", "verifiers", "reports", "runner")

# folder -> what its files may include besides their own folder
MAY = {
    "base": [],
    "k8s": ["base"],
    "k8s/sandbox": ["base"],
    "verifiers": ["base", "k8s", "verifiers/openstack/cloud.h"],
    "verifiers/openstack": ["base", "k8s", "verifiers/verifier.h", "verifiers/sink.h"],
    "reports": ["base", "reports/analysis"],
    "reports/analysis": ["base"],
    "runner": ["base", "k8s", "verifiers", "reports", "runner/cookies/cookie.h",
               "runner/deployers/deployer.h"],
    "runner/cookies": ["base", "k8s", "verifiers/openstack"],
    "runner/deployers": ["base", "k8s", "verifiers/openstack"],
}

# library header -> the files that may include it
LIBRARY = {
    r"curl/": ["base/http"],
    r"libxml/xmlwriter": ["reports/junit"],
    r"libxml/": ["reports/junit", "verifiers/command"],
    r"cyaml/": ["runner/scenario"],
    r"yaml\.h": ["base/yaml"],
    r"yajl/": ["k8s/stream"],
    r"microhttpd": ["k8s/sandbox/"],
    r"pcre2": ["verifiers/http"],
}

LISTS = {
    "verifiers/verifiers.def": ["verifiers", "verifiers/openstack"],
    "runner/cookies/cookies.def": ["runner/cookies"],
    "runner/deployers/deployers.def": ["runner/deployers"],
    "reports/reporters.def": ["reports"],
}


def breaches():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            name = path.relative_to(ROOT).as_posix()
            home = path.parent.relative_to(ROOT).as_posix()
            allowed = MAY.get(home)
            if allowed is None:
                yield f"{name}: folder {home} is not in the list of tests/tree/layers.py"
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                yield from line_breaches(name, home, allowed, number, line)
    for folder in (*FOLDERS, "tests"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            yield from file_breaches(path.relative_to(ROOT).as_posix(), path.read_text())
    yield from list_breaches()


def file_breaches(name, text):
    if not text.startswith("/*"):
        yield f"{name}:1: does not begin with a comment that says what it is for"
    guard = "CRUMBLE_" + re.sub(r"\W", "_", name.upper())
    if name.endswith(".h") and f"#ifndef {guard}\n#define {guard}\n" not in text:
        yield f"{name}: its include guard is not {guard}"
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME)\b", line):
            yield f"{name}:{number}: is left for later"
        if not name.startswith("tests/") and re.search(r"\b(u|nano|clock_nano)?sleep\(", line):
            yield f"{name}:{number}: sleeps: wait on the stop token or with a deadline"


def line_breaches(name, home, allowed, number, line):
    own = re.match(r'#include "([^"]+)"', line)
    if own:
        target = own.group(1)
        if not (ROOT / target).exists():
            yield f'{name}:{number}: includes "{target}", which is not written from the root'
            return
        folder = target.rsplit("/", 1)[0]
        if folder != home and folder not in allowed and target not in allowed:
            yield f'{name}:{number}: {home} may not include "{target}"'
    library = re.match(r"#include <([^>]+)>", line)
    if library:
        for pattern, files in LIBRARY.items():
            if re.match(pattern, library.group(1)):
                if not any(name.startswith(f) for f in files):
                    yield f"{name}:{number}: <{library.group(1)}> belongs to {', '.join(files)} alone"
                break


def list_breaches():
    for listing, folders in LISTS.items():
        path = ROOT / listing
        if not path.exists():
            yield f"{listing}: missing"
            continue
        kind = path.stem[:-1]
        rows = re.findall(r"^[A-Z]+\((\w+)\)", path.read_text(), re.M)
        if not rows:
            yield f"{listing}: has no rows"
        found = set()
        for folder in folders:
            for source in (ROOT / folder).glob("*.c"):
                found |= set(re.findall(rf"^const struct {kind}_ops {kind}_(\w+) =",
                                        source.read_text(), re.M))
        for row in sorted(set(rows) - found):
            yield f"{listing}: {row} has no file that defines {kind}_{row}"
        for row in sorted(found - set(rows)):
            yield f"{listing}: {kind}_{row} is defined and not listed"
        for row in {r for r in rows if rows.count(r) > 1}:
            yield f"{listing}: {row} stands twice"


found = list(breaches())
print("\n".join(found) if found else "the tree is in order")
sys.exit(1 if found else 0)
