"""Measurements and figures as one SVG file, legible on light and on dark pages."""

from html import escape
from statistics import median

WIDTH = 860
# Where bars begin and how far they may reach.
LEFT, RIGHT = 270, 690
ROW = 26
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; }
  .quiet { fill: #57606a; font-size: 12px; }
  .own { fill: #2f6fde; } .peer { fill: #a3acb8; } .missed { fill: #d1742f; }
  .line { stroke: #24292f; stroke-width: 1.25; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .quiet { fill: #9198a1; }
    .own { fill: #5b93f5; } .peer { fill: #6b7480; } .missed { fill: #e08e4f; }
    .line { stroke: #e6edf3; }
  }
"""


class Drawing:
    def __init__(self):
        self.parts = []
        self.y = 0

    def text(self, x, words, kind="", anchor="start"):
        name = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.1f}" y="{self.y + 17:.1f}" text-anchor="{anchor}"{name}>{escape(words)}</text>')

    def title(self, words, explanation):
        self.y += 16
        self.text(12, words, "title")
        self.y += 20
        self.text(12, explanation, "quiet")
        self.y += ROW

    def bar(self, length, kind):
        self.parts.append(f'<rect x="{LEFT}" y="{self.y + 4}" width="{max(length, 1):.1f}" height="16" rx="2" class="{kind}"/>')

    def line(self, x1, y1, x2, y2, dashes=""):
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="line"{dash}/>')

    def whisker(self, least, most):
        middle = self.y + 12
        self.line(LEFT + least, middle, LEFT + most, middle)
        for x in (least, most):
            self.line(LEFT + x, middle - 4, LEFT + x, middle + 4)

    def svg(self):
        height = self.y + 12
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
            f"\n<style>{STYLE}</style>\n" + "\n".join(self.parts) + "\n</svg>\n")


def draw_speeds(drawing, results, title, is_drawn):
    """Tokens per second of programs that did the same work."""
    speeds = {
        key: [run["tokens_per_second"] for run in runs]
        for key, runs in results.runs.items() if "tokens_per_second" in runs[0] and is_drawn(key)
    }
    if not speeds:
        return
    drawing.title(title, "tokens per second; bars: medians; whiskers: the slowest and the fastest run")
    scale = (RIGHT - LEFT) / max(max(values) for values in speeds.values())
    for key, values in speeds.items():
        drawing.text(LEFT - 8, results.labels[key], anchor="end")
        drawing.bar(median(values) * scale, "own" if key.startswith("treg") else "peer")
        drawing.whisker(min(values) * scale, max(values) * scale)
        drawing.text(LEFT + max(values) * scale + 8, f"{median(values):.1f}", "quiet")
        drawing.y += ROW


def is_scoring(key):
    return key.startswith(("transformers", "treg-scoring"))


def is_training(key):
    # Long rows and steps of another size are other work.
    return not is_scoring(key) and not key.startswith(("long-", "replay"))


def share_of_goal(figure):
    """How much of its goal a figure reaches: 1 and more when it is met."""
    shares = []
    if figure.least is not None:
        shares.append(figure.value / figure.least)
    if figure.most is not None:
        shares.append(figure.most / max(figure.value, 1e-9))
    return min(shares)


def draw_figures(drawing, figures):
    if not figures:
        return
    drawing.title("Goals", "bars: the share of its goal that a figure reaches, cut at twice; dashes: the goal")
    unit = (RIGHT - LEFT) / 2
    top = drawing.y
    for figure in figures:
        drawing.text(LEFT - 8, figure.name.replace("_", " "), anchor="end")
        length = min(share_of_goal(figure), 2) * unit
        drawing.bar(length, "own" if figure.is_met else "missed")
        drawing.text(LEFT + max(length, unit) + 8, f"{figure.value:.2f}, goal {figure.goal}", "quiet")
        drawing.y += ROW
    drawing.line(LEFT + unit, top, LEFT + unit, drawing.y, dashes="4 3")


def plot(results, figures):
    drawing = Drawing()
    draw_speeds(drawing, results, "Training", is_training)
    draw_speeds(drawing, results, "Token rewards", is_scoring)
    draw_figures(drawing, figures)
    return drawing.svg()
