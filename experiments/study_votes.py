"""Reads, checks and counts the votes of a user study, and computes an exact confidence interval."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from experiments.study_page import Study, a_is_left
from segvae_jax.errors import DataError
from segvae_jax.text_files import read_text


@dataclasses.dataclass(frozen=True)
class Votes:
    """The choices of one voter.

    Attributes:
      path: the file that holds the votes.
      study: the study that the votes belong to.
      voter: a random name of the voter.
      sides: the chosen side, "left" or "right", per number of a pair.
    """

    path: str
    study: Study
    voter: str
    sides: dict[int, str]


@dataclasses.dataclass(frozen=True)
class Preference:
    """How often the first folder was preferred.

    Attributes:
      wins: number of votes for the first folder.
      votes: number of all votes.
      voters: number of voters.
      low, high: limits of the 95 % Clopper-Pearson confidence interval for the share of wins.
      p_value: p-value of the two-sided test that both folders are preferred equally often.
    """

    wins: int
    votes: int
    voters: int
    low: float
    high: float
    p_value: float

    def line(self) -> str:
        """The result as one line of text."""
        return (
            f"A_DIR was preferred in {self.wins} of {self.votes} votes by {self.voters} voter(s): "
            f"{self.wins / self.votes:.1%} (95 % interval {self.low:.1%} to {self.high:.1%}; "
            f"p = {self.p_value:.2g} against 50 %). The interval assumes that votes are independent."
        )


def read_votes(path: str | Path) -> Votes:
    """Reads a file that the page of a study saved.

    Raises:
      DataError: if the file cannot be read or does not hold the votes of a study. The message names the file.
    """
    text = read_text(path, "the JSON file that a study saves", DataError)
    try:
        return _parse(str(path), json.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path}: not the votes of a study ({problem}): expected the file that the page saved"
        ) from None


def _parse(path: str, saved: Any) -> Votes:
    if saved["format"] != 1:
        raise ValueError(f"format {saved['format']!r}, expected 1")
    study = Study(_checked(str, saved["study"]), _checked(int, saved["seed"]), _checked(int, saved["pairs"]))
    sides: dict[int, str] = {}
    for vote in saved["votes"]:
        pair, side = _checked(int, vote["pair"]), vote["side"]
        if pair in sides or not 0 <= pair < study.pairs:
            raise ValueError(f"pair {pair} is {'voted on twice' if pair in sides else f'not one of {study.pairs}'}")
        if side not in ("left", "right"):
            raise ValueError(f"side {side!r} of pair {pair}, expected left or right")
        sides[pair] = side
    return Votes(path, study, _checked(str, saved["voter"]), sides)


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ValueError(f"{value!r} where {kind.__name__} was expected")
    return value


def count_votes(all_votes: Sequence[Votes]) -> tuple[int, int, int]:
    """The number of votes for the first folder, of all votes, and of voters.

    Raises:
      DataError: if the files belong to different studies, if two are from the same voter, or if there are no
        votes. The message names the file.
    """
    first, seen = all_votes[0], dict[str, str]()
    for votes in all_votes:
        if votes.study != first.study:
            raise DataError(
                f"{votes.path}: belongs to study {votes.study.name}, but {first.path} to study {first.study.name}"
            )
        if votes.voter in seen:
            raise DataError(f"{votes.path}: holds votes of the same voter as {seen[votes.voter]}: give one of them")
        seen[votes.voter] = votes.path
    left = a_is_left(first.study.pairs, first.study.seed)
    chosen = [left[pair] == (side == "left") for votes in all_votes for pair, side in votes.sides.items()]
    if not chosen:
        raise DataError(f"{first.path}: holds no votes yet: expected a choice for at least one pair")
    return int(sum(chosen)), len(chosen), len(seen)


def preference(wins: int, votes: int, voters: int = 1) -> Preference:
    """The share of `wins` with its exact (Clopper-Pearson) confidence interval and p-value."""
    test = binomtest(wins, votes)
    low, high = test.proportion_ci(0.95, method="exact")
    return Preference(wins, votes, voters, float(low), float(high), float(test.pvalue))
