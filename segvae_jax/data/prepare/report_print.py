"""The survey of a prepared data set on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from segvae_jax.data.prepare.report import TINY

_LISTED = 10


def print_survey(survey: Mapping[str, Any], console: Console) -> None:
    """Prints what was kept and what was not, the classes, and what the user should look at."""
    console.print(_classes(survey))
    for line in (_counts(survey), _splits(survey), _label_sets(survey), *map(_pair, survey["pairs"])):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for example_id, reason in list(survey["excluded"].items())[:_LISTED]:
        console.print(f"left out: {example_id}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if len(survey["excluded"]) > _LISTED:
        console.print(f"left out: {len(survey['excluded']) - _LISTED:,} more, see the report", highlight=False)
    for warning in survey["warnings"]:
        console.print(f"warning: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _classes(survey: Mapping[str, Any]) -> Table:
    height, width = survey["size"]
    table = Table(title=f"{survey['source']}, {height} x {width}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
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
    for entry in survey["classes"]:
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


def _counts(survey: Mapping[str, Any]) -> str:
    return (
        f"{survey['read']:,} maps read, {survey['kept']:,} kept; {len(survey['excluded']):,} left out, "
        f"{len(survey['duplicates']):,} exact duplicates dropped, {sum(map(len, survey['near_duplicates'])):,} near "
        f"duplicates in {len(survey['near_duplicates']):,} groups kept together ({survey['moved']:,} changed split)."
    )


def _splits(survey: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in survey["splits"].items())
    return f"Splits: {counts}{' (official partition)' if survey['official_partition'] else ''}."


def _label_sets(survey: Mapping[str, Any]) -> str:
    label_sets = survey["label_sets"]
    sizes = ", ".join(f"{size}: {count:,}" for size, count in label_sets["sizes"].items())
    return f"Classes a map: {label_sets['mean_size']:.1f} ({sizes}); {label_sets['distinct']:,} different label-sets."


def _pair(pair: Mapping[str, Any]) -> str:
    share, left, right = pair["at_image_left"], pair["left"], pair["right"]
    if share < 0.5:
        share, left, right = 1 - share, right, left
    return f"{left} lies further left in the image than {right} in {share:.1%} of the {pair['maps']:,} maps with both."
