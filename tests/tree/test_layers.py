#!/usr/bin/env python3
"""tree/layers.py sees each breach that it is there for: a tree in order, with one file added."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LISTS = {"verifiers/verifiers.def": "VERIFIER", "runner/cookies/cookies.def": "COOKIE",
         "runner/deployers/deployers.def": "DEPLOYER", "reports/reporters.def": "REPORTER"}
SAYS = "/* What it is for. */\n"


class Layers(unittest.TestCase):
    def tree(self, files):
        """(exit code, what is printed) for a small tree with FILES in it."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for listing, row in LISTS.items():
                kind = row.lower()
                self.put(root / listing, f"{row}(one)\n")
                self.put((root / listing).parent / "one.c",
                         f"{SAYS}const struct {kind}_ops {kind}_one = {{ 0 }};\n")
            for name, text in files.items():
                self.put(root / name, text)
            done = subprocess.run([sys.executable, "-B", HERE / "layers.py", root], text=True,
                                  capture_output=True)
            return done.returncode, done.stdout

    @staticmethod
    def put(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def breach(self, name, text, says):
        code, told = self.tree({name: text})
        self.assertEqual(1, code, told)
        self.assertIn(name, told)
        self.assertIn(says, told)
        self.assertEqual(1, len(told.splitlines()), told)

    def test_a_tree_in_order(self):
        guard = "CRUMBLE_BASE_X_H"
        header = f"{SAYS}#ifndef {guard}\n#define {guard}\n#endif\n"
        self.assertEqual((0, "the tree is in order\n"), self.tree({
            "base/x.h": header,
            "base/x.c": SAYS + '#include "base/x.h"\n\nint no_sleeper(int sleep);\n',
            "tests/unit/x.c": SAYS + "\tsleep(1);\n"}))

    def test_layers(self):
        header = f"{SAYS}#ifndef CRUMBLE_K8S_Y_H\n#define CRUMBLE_K8S_Y_H\n#endif\n"
        code, told = self.tree({"k8s/y.h": header, "base/x.c": SAYS + '#include "k8s/y.h"\n'})
        self.assertEqual((1, 'base/x.c:2: base may not include "k8s/y.h"\n'), (code, told))

    def test_a_path_not_from_the_root(self):
        self.breach("base/x.c", SAYS + '#include "x.h"\n', "is not written from the root")

    def test_an_unknown_folder(self):
        self.breach("runner/more/x.c", SAYS, "is not in the list")

    def test_libraries(self):
        self.breach("base/x.c", SAYS + "#include <curl/curl.h>\n", "belongs to base/http alone")
        self.breach("k8s/list.c", SAYS + "#include <yajl/yajl_parse.h>\n", "belongs to k8s/stream")

    def test_lists(self):
        self.breach("reports/reporters.def", "REPORTER(one)\nREPORTER(two)\n", "two has no file")
        self.breach("reports/reporters.def", "REPORTER(one)\nREPORTER(one)\n", "stands twice")
        code, told = self.tree({"reports/x.c": SAYS + "const struct reporter_ops reporter_x = {"})
        self.assertEqual((1, "reports/reporters.def: reporter_x is defined and not listed\n"),
                         (code, told))

    def test_first_comment(self):
        self.breach("base/x.c", "#include <stdio.h>\n", "does not begin with a comment")
        self.breach("tests/unit/x.c", "#include <stdio.h>\n", "does not begin with a comment")

    def test_include_guards(self):
        for text in ("", "#ifndef X_H\n#define X_H\n#endif\n",
                     "#ifndef CRUMBLE_BASE_X_H\n#define CRUMBLE_BASE_Y_H\n#endif\n"):
            self.breach("base/x.h", SAYS + text, "include guard is not CRUMBLE_BASE_X_H")

    def test_sleeping(self):
        for call in ("sleep(1);", "usleep(1);", "nanosleep(&t, NULL);",
                     "clock_nanosleep(0, 0, &t, NULL);"):
            self.breach("k8s/x.c", f"{SAYS}\t{call}\n", "sleeps")

    def test_left_for_later(self):
        for word in ("TODO", "FIXME"):
            self.breach("runner/x.c", f"{SAYS}/* {word}: more */\n", "left for later")


unittest.main()
