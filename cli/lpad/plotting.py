"""Draw what a report counts. The library for it is loaded when it is needed; not everybody has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from launchpad.core.tallies import order_of
from launchpad.errors import LaunchpadError

if TYPE_CHECKING:
    from launchpad.core.tallies import Period

#: Distinct also for those who cannot tell red from green (after Okabe and Ito).
COLOURS = {
    "ARCHIVED": "#999999",
    "FIZZLED": "#d55e00",
    "DEFUSED": "#cc79a7",
    "PAUSED": "#8c6bb1",
    "WAITING": "#f0e442",
    "READY": "#e69f00",
    "RESERVED": "#56b4e9",
    "RUNNING": "#0072b2",
    "COMPLETED": "#009e73",
}


def draw(periods: Sequence[Period], title: str, files: Mapping[str, str]) -> None:
    """Draw the periods as stacked bars into files, by format: "png", "svg". Raises LaunchpadError if that cannot be."""
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no state
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        hint = "Install it: pip install 'launchpad-workflows[plot]'; the numbers alone need none."
        raise LaunchpadError("A plot needs matplotlib, which is not installed.", hint=hint) from None
    labels = [period.label for period in periods]
    figure = Figure(figsize=(max(6.0, min(24.0, 0.35 * len(labels) + 3)), 4.0), layout="constrained")
    axes = figure.add_subplot()
    heights = [0] * len(labels)
    for state in reversed(order_of(state for period in periods for state in period.states)):
        counts = [period.states[state] for period in periods]
        axes.bar(range(len(labels)), counts, bottom=heights, label=state, color=COLOURS.get(state, "#000000"))
        heights = [below + count for below, count in zip(heights, counts, strict=True)]
    step = max(1, len(labels) // 30)  # so that they can be read
    axes.set_xticks(range(0, len(labels), step), labels[::step], rotation=45, ha="right")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title)
    axes.set_xlabel("UTC")
    if any(heights):
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for form, file in files.items():
        try:
            figure.savefig(file, format=form)
        except OSError as problem:
            raise LaunchpadError(f"Cannot write the plot into {file}: {problem.strerror or problem}.") from None
