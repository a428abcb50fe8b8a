"""Measurements and figures as a table, as lines and as JSON."""

import json
import os
import platform
from statistics import median


def machine():
    """What the figures were taken on, as far as the system tells."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return {"processor": name, "cores": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.release()}"}


def report(options, results, figures, skipped, failures):
    """Everything as JSON text."""
    return json.dumps({
        "machine": machine(),
        "load_average": os.getloadavg(),
        "options": vars(options),
        "figures": [
            {
                "name": figure.name, "value": figure.value, "least": figure.least, "most": figure.most, "met": figure.is_met,
                "note": figure.note,
            } for figure in figures],
        "measurements": {key: {"label": results.labels[key], "runs": runs} for key, runs in results.runs.items()},
        "skipped": skipped,
        "failed": failures,
    }, indent=2) + "\n"


def cell(runs, key, scale, decimals):
    values = [run[key] for run in runs if run.get(key) is not None]
    return f"{median(values) / scale:,.{decimals}f}" if values else ""


def print_table(results):
    """One line per program in the form of Markdown, medians with the least and the most."""
    print("| | runs | seconds | least | most | tokens/s | peak GB |\n|---|---|---|---|---|---|---|")
    for key, runs in results.runs.items():
        seconds = [run["seconds"] for run in runs]
        cells = [
            results.labels[key], str(len(runs)), f"{median(seconds):.2f}", f"{min(seconds):.2f}", f"{max(seconds):.2f}",
            cell(runs, "tokens_per_second", 1, 1), cell(runs, "peak_memory", 1e9, 2)]
        print("| " + " | ".join(cells) + " |")
    print()


def print_figures(figures):
    for figure in figures:
        note = f"; {figure.note}" if figure.note else ""
        print(f"{figure.name}={figure.value:.2f} (goal {figure.goal}: {'met' if figure.is_met else 'missed'}{note})")
