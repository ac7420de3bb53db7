"""A plugin for pytest: writes `NAME<tab>OUTCOME` for every test into the file that OUTCOMES names."""

import os

failed, skipped, passed = 0, 1, 2
outcomes = {}


def pytest_runtest_logreport(report):
    name = report.nodeid.split("kazoo/tests/")[-1]
    if report.outcome == "failed":
        outcome = failed
    elif report.outcome == "skipped":
        outcome = skipped
    else:
        outcome = passed
    outcomes[name] = min(outcome, outcomes.get(name, passed))


def pytest_sessionfinish():
    words = {failed: "failed", skipped: "skipped", passed: "passed"}
    with open(os.environ["OUTCOMES"], "w") as file:
        for name, outcome in outcomes.items():
            file.write(f"{name}\t{words[outcome]}\n")
