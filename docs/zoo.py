"""Makes the table and the pictures of zoo.md: python docs/zoo.py

The table is made from the models' cards, the tables in the README files of `CARDS`, so that it changes with them; the
pictures by the commands that stand on the page.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
CARDS = ("segvae_jax/shipped/README.md", "addons/segvae_faces/README.md")
PAGE = _HERE / "zoo.md"
_TABLE = re.compile(r"(<!-- made by docs/zoo.py -->\n).*(<!-- end -->)", re.DOTALL)
_HEAD = ("", "model", "classes, size", "data", "licence", "scores", "bytes")
# What the table calls a score, and where a card has it.
_SCORES = {
    "exact label-set": r"exact label-set ([\d.]+)",
    "FSD x 1e4": r"FSD x 1e4 ([\d.]+)",
    "layout AUC": r"layout AUC ([\d.]+)",
    "outline AUC": r"outline AUC ([\d.]+)",
    "Frechet distance": r"Frechet distance ([\d.]+)",
    "mIoU of a parser": r"mIoU of a parser ([\d.]+)",
}


def cards(page: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name of the model, "maps" or "pictures", and the rows of the card, for each card of a page."""
    heading, seen = "", set()
    for block in re.split(r"\n\s*\n", page):
        heading = block.removeprefix("## ").strip() if block.startswith("## ") else heading
        lines = [
            [cell.strip() for cell in line.strip("| ").split(" | ")] for line in block.splitlines() if line[:1] == "|"
        ]
        rows = {key: value for key, *values in lines for value in values[:1]}
        name = block.splitlines()[0].strip("| ") or heading
        if "weights" in rows:
            yield name, "pictures" if name in seen else "maps", rows
            seen.add(name)


def table() -> str:
    """The table of the page, in Markdown."""
    lines = [_HEAD, ("---",) * len(_HEAD)]
    for path in CARDS:
        of_maps: dict[str, str] = {}
        for name, kind, rows in cards((_ROOT / path).read_text("utf-8")):
            of_maps = rows if kind == "maps" else of_maps
            lines.append(_line(name, kind, of_maps | rows, path))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _line(name: str, kind: str, rows: dict[str, str], path: str) -> tuple[str, ...]:
    picture = f"zoo/{name}/{'00000' if kind == 'maps' else 'pictures'}.png"
    title = name if kind == "maps" else f"{name}, pictures"
    found = {score: re.search(pattern, rows["scores"]) for score, pattern in _SCORES.items()}
    scores = ", ".join(f"{score} {match[1].rstrip('.')}" for score, match in found.items() if match)
    size = re.search(r"[\d,]+(?= bytes)", rows["weights"])
    assert size, f"{path}: the row `weights` of {title} has no number of bytes"
    return (
        f"![{title}]({picture})", f"`{name}`" + ("" if kind == "maps" else ", pictures"), rows["what"], rows["data"],
        _linked(rows["licence"], path), scores, size[0],
    )  # fmt: skip


def _linked(text: str, path: str) -> str:
    """Text of a card, with its links to files beside the card leading there from the page."""
    return re.sub(r"\]\((?!https?:)", f"](../{Path(path).parent}/", text)


def commands() -> list[list[str]]:
    """The commands of the page."""
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


def with_table(page: str) -> str:
    """The page with the table of today's cards."""
    return _TABLE.sub(lambda match: f"{match[1]}\n{table()}\n{match[2]}", page)


if __name__ == "__main__":
    for _, *words in commands():
        subprocess.run([sys.executable, *words], cwd=_ROOT, check=True)
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
