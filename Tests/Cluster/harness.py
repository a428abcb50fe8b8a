"""Named scenarios, their tries, and the table of what came of them."""

import dataclasses
import random
import signal
import time
import traceback


class Failed(Exception):
    """The run did not do what is documented."""


class NotAvailable(Exception):
    """What the scenario needs is not in this build or on this machine. Never a pass."""


class OutOfTime(Exception):
    pass


@dataclasses.dataclass
class Scenario:
    name: str
    what: str
    seconds: int
    tries: int
    body: object


@dataclasses.dataclass
class Outcome:
    scenario: Scenario
    state: str
    seconds: float
    passed: int
    tried: int
    detail: str


SCENARIOS = []


def scenario(name, what, seconds, tries=1):
    """Registers a function of a context as a scenario: `what` is its line in the table, `seconds` what a try may take."""

    def register(body):
        SCENARIOS.append(Scenario(name, what, seconds, tries, body))
        return body

    return register


def expect(condition, message):
    if not condition:
        raise Failed(message)


def run(scenario, context, seed, tries=None):
    """Tries a scenario, each time with random numbers of its own, until one try does not pass."""
    tries = tries or scenario.tries
    start, details = time.monotonic(), []
    state, passed = "pass", 0
    for number in range(tries):
        context.begin(scenario.name, number, random.Random(f"{seed} {scenario.name} {number}"))
        state, detail = one_try(scenario, context)
        details.append(detail)
        if state != "pass":
            break
        passed += 1
    seconds = time.monotonic() - start
    detail = next((line for line in reversed(details) if line), "")
    return Outcome(scenario, state, seconds, passed, number + 1, detail)


def one_try(scenario, context):
    def out_of_time(number, frame):
        raise OutOfTime

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(scenario.seconds)
    state = "FAIL"
    try:
        detail = scenario.body(context) or ""
        context.expect_clean_hosts()
        state = "pass"
    except NotAvailable as error:
        state, detail = "not available", str(error)
    except Failed as error:
        detail = str(error)
    except OutOfTime:
        detail = f"no end after {scenario.seconds} s"
    except Exception as error:
        traceback.print_exc()
        detail = f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        context.end(state)
    return state, detail


def line(outcome):
    mark = f"{outcome.passed}/{outcome.tried}" if outcome.state != "not available" else "-"
    return (f"{outcome.state:<13} {outcome.scenario.name:<28} {mark:>7} {outcome.seconds:7.1f} s  {outcome.detail}").rstrip()


def table(outcomes, seed):
    rows = [f"Seed {seed}.", "", "| scenario | fault | passed / tries | seconds | result |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        count = f"{outcome.passed} / {outcome.tried}" if outcome.state != "not available" else "–"
        detail = outcome.detail.replace("|", "\\|").replace("\n", " ")
        result = detail if outcome.state == "pass" else f"{outcome.state}: {detail}"
        rows.append(f"| {outcome.scenario.name} | {outcome.scenario.what} | {count} | {outcome.seconds:.0f} | {result} |")
    return "\n".join(rows) + "\n"
