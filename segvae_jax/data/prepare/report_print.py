"""Prints the data report of a prepared data set to a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from segvae_jax.data.prepare.report import TINY

_LISTED = 10


def print_data_report(report: Mapping[str, Any], console: Console) -> None:
    """Prints the classes, what was kept and what was left out, and what the user should check."""
    console.print(_classes(report))
    for line in (_counts(report), _splits(report), _label_sets(report), *map(_pair, report["pairs"])):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for example_id, reason in list(report["excluded"].items())[:_LISTED]:
        console.print(f"left out: {example_id}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if len(report["excluded"]) > _LISTED:
        console.print(f"left out: {len(report['excluded']) - _LISTED:,} more, see the report", highlight=False)
    for warning in report["warnings"]:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _classes(report: Mapping[str, Any]) -> Table:
    height, width = report["size"]
    table = Table(title=f"{report['source']}, {height} x {width}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("class", no_wrap=True)
    for name in (
        "maps",
        "share",
        "area where\npresent",
        "median\npixels",
        "least\npixels",
        "lost by\nresizing",
        f"{TINY} px or\nfewer",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in report["classes"]:
        least, median, _ = entry["pixels"]
        figures = (
            f"{entry['maps']:,}",
            f"{entry['share']:.1%}",
            f"{entry['area_share']:.2%}",
            f"{median:,}",
            f"{least:,}",
        )
        table.add_row(entry["name"], *figures, f"{entry['lost']:,}", f"{entry['tiny']:,}")
    return table


def _counts(report: Mapping[str, Any]) -> str:
    return (
        f"{report['read']:,} maps read, {report['kept']:,} kept; {len(report['excluded']):,} left out, "
        f"{len(report['duplicates']):,} exact duplicates dropped, {sum(map(len, report['near_duplicates'])):,} near "
        f"duplicates in {len(report['near_duplicates']):,} groups kept together ({report['moved']:,} changed split)."
    )


def _splits(report: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in report["splits"].items())
    return f"Splits: {counts}{' (official partition)' if report['official_partition'] else ''}."


def _label_sets(report: Mapping[str, Any]) -> str:
    label_sets = report["label_sets"]
    sizes = ", ".join(f"{size}: {count:,}" for size, count in label_sets["sizes"].items())
    return f"Classes per map: {label_sets['mean_size']:.1f} ({sizes}); {label_sets['distinct']:,} different label-sets."


def _pair(pair: Mapping[str, Any]) -> str:
    share, left, right = pair["at_image_left"], pair["left"], pair["right"]
    if share < 0.5:
        share, left, right = 1 - share, right, left
    return f"{left} lies further left in the image than {right} in {share:.1%} of the {pair['maps']:,} maps with both."
