#!/usr/bin/env python3
"""The README's copies are the originals: the kinds as `crumble list --markdown` prints them, the
scenario as the file has it, and every file that it links to exists. `readme.py ROOT CRUMBLE
--write` brings the copies up to date."""
import pathlib
import re
import subprocess
import sys

root, crumble = pathlib.Path(sys.argv[1]), sys.argv[2]
readme = root / "README.md"
text = readme.read_text()


def block(name, body):
    """Puts body between the comments <!-- NAME ... --> and <!-- /NAME -->."""
    pattern = re.compile(rf"(<!-- {name}\b[^\n]*-->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(text):
        sys.exit(f"README.md: has no block {name}")
    return pattern.sub(lambda m: m.group(1) + body + m.group(2), text)


kinds = subprocess.run([crumble, "list", "--markdown"], check=True, capture_output=True,
                       text=True).stdout
scenario = (root / "scenarios/keystone-ha.yaml").read_text()
original = text
text = block("kinds", kinds)
text = block("scenario", f"```yaml\n{scenario}```\n")
if "--write" in sys.argv:
    readme.write_text(text)
elif text != original:
    sys.exit(f"README.md is not up to date: run {sys.argv[0]} {root} {crumble} --write")
missing = [link for link in re.findall(r"\]\(([^)#]+)\)", text)
           if "://" not in link and not (root / link).exists()]
if missing:
    sys.exit(f"README.md links to what is not there: {', '.join(missing)}")
