"""The votes of a user study: read with distrust, counted, with an exact interval."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from experiments.study_page import Study, a_is_left
from segvae_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class Votes:
    """What one voter chose.

    Attributes:
      path: of the file.
      study: that was voted on.
      voter: a random name.
      sides: number of the pair -> "left" or "right".
    """

    path: str
    study: Study
    voter: str
    sides: dict[int, str]


@dataclasses.dataclass(frozen=True)
class Preference:
    """How often the first folder was preferred.

    Attributes:
      wins: votes for it.
      votes: all votes.
      voters: how many voted.
      low, high: ends of the 95 % Clopper-Pearson interval of its share.
      p_value: of as extreme a count if voters tossed a coin; two-sided.
    """

    wins: int
    votes: int
    voters: int
    low: float
    high: float
    p_value: float

    def line(self) -> str:
        """All of it, for readers."""
        return (
            f"A_DIR was preferred in {self.wins} of {self.votes} votes by {self.voters} voter(s): "
            f"{self.wins / self.votes:.1%} (95 % interval {self.low:.1%} to {self.high:.1%}; "
            f"p = {self.p_value:.2g} against 50 %). Votes count as independent."
        )


def read_votes(path: str | Path) -> Votes:
    """Reads what a page saved.

    Raises:
      DataError: naming the file, if it cannot be read or is anything else.
    """
    try:
        saved = json.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}): give the JSON file that a study's page saves") from None
    try:
        return _parsed(str(path), saved)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: no votes of a study ({problem}): give the file as the page saved it") from None


def _parsed(path: str, saved: Any) -> Votes:
    if saved["format"] != 1:
        raise ValueError(f"format {saved['format']!r}, expected 1")
    study = Study(_of(str, saved["study"]), _of(int, saved["seed"]), _of(int, saved["pairs"]))
    sides: dict[int, str] = {}
    for vote in saved["votes"]:
        pair, side = _of(int, vote["pair"]), vote["side"]
        if pair in sides or not 0 <= pair < study.pairs:
            raise ValueError(f"pair {pair} is {'voted on twice' if pair in sides else f'not one of {study.pairs}'}")
        if side not in ("left", "right"):
            raise ValueError(f"side {side!r} of pair {pair}, expected left or right")
        sides[pair] = side
    return Votes(path, study, _of(str, saved["voter"]), sides)


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ValueError(f"{value!r} where {kind.__name__} was expected")
    return value


def count_votes(all_votes: Sequence[Votes]) -> tuple[int, int, int]:
    """Votes for the first folder, all votes, and how many voters.

    Raises:
      DataError: naming the file, if voters saw another study or one is there twice, or there is no vote.
    """
    first, seen = all_votes[0], dict[str, str]()
    for votes in all_votes:
        if votes.study != first.study:
            raise DataError(f"{votes.path}: study {votes.study.name}, but {first.path} is of {first.study.name}")
        if votes.voter in seen:
            raise DataError(f"{votes.path}: holds votes of the same voter as {seen[votes.voter]}: give one of them")
        seen[votes.voter] = votes.path
    left = a_is_left(first.study.pairs, first.study.seed)
    chosen = [left[pair] == (side == "left") for votes in all_votes for pair, side in votes.sides.items()]
    if not chosen:
        raise DataError(f"{first.path}: holds no vote yet: choose in at least one pair")
    return int(sum(chosen)), len(chosen), len(seen)


def preference(wins: int, votes: int, voters: int = 1) -> Preference:
    """The share of `wins` with its exact (Clopper-Pearson) interval, by `scipy.stats.binomtest`."""
    test = binomtest(wins, votes)
    low, high = test.proportion_ci(0.95, method="exact")
    return Preference(wins, votes, voters, float(low), float(high), float(test.pvalue))
