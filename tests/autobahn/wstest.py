"""Autobahn's wstest, a Python 2.7 program that scripts/setup puts into .deps/autobahn: where its report goes, and how it starts."""

import json
import os
import shutil
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from server import ROOT, Server  # noqa: E402

AUTOBAHN = os.path.join(ROOT, ".deps", "autobahn")
# addsitedir, because packages of Python 2 that share a namespace are joined by .pth files.
START = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()"
CLIENT_DEADLINE = 300.0


def is_installed():
    return os.path.exists(os.path.join(AUTOBAHN, "python"))


def empty_report(agent):
    """The directory of this agent's report, relative to the root, made anew."""
    report = os.path.join("build", "autobahn", agent)
    shutil.rmtree(os.path.join(ROOT, report), ignore_errors=True)
    os.makedirs(os.path.join(ROOT, report))
    return report


def command(mode, report, cases, **more):
    """The command that runs these cases from the root; its spec is left beside the report."""
    spec = {"outdir": report, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}, **more}
    spec_file = os.path.join(report, "spec.json")
    with open(os.path.join(ROOT, spec_file), "w") as file:
        json.dump(spec, file, indent=2)
    with open(os.path.join(AUTOBAHN, "python")) as file:
        python = file.read().strip()
    # Without a port of its own for the reports' pages, which would be the same for every run of this machine.
    return [python, "-W", "ignore", "-c", START, os.path.join(AUTOBAHN, "packages"), "-m", mode, "-s", spec_file, "-u", "0"]


def fuzz_client(agent, client, cases, deadline=CLIENT_DEADLINE):
    """Runs these cases of the fuzzingserver against the command of a client, in which {url} and {agent} stand for what they
    are; where the report is, and what went wrong besides, or None."""
    report = empty_report(agent)
    server = Server([], ready="connect")
    server.pick_port()
    url = f"ws://127.0.0.1:{server.port}"
    server.command = command("fuzzingserver", report, cases, url=url, webport=0, options={"failByDrop": False})
    with server:
        words = [word.replace("{url}", url).replace("{agent}", agent) for word in client]
        try:
            done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline)
            said = f"{done.stdout}{done.stderr}".strip()
            wrong = None if done.returncode == 0 else f"the client ended with {done.returncode}, and said: {said[-2000:]}"
        except subprocess.TimeoutExpired:
            wrong = f"the client still runs after {deadline:.0f} s"
        if not server.alive():
            wrong = f"the fuzzingserver has ended; {wrong or ''}"
    with open(os.path.join(ROOT, report, "wstest.log"), "w") as log:
        log.write(server.output)
    return report, wrong
