"""What all commands share: help, errors that users can read, and the flags of jobs on several hosts."""

import contextlib
import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from logging import CRITICAL, ERROR, LogRecord, getLogger
from pathlib import Path
from types import ModuleType

from absl import app, flags, logging

from segvae_jax.arguments import HIGHEST_TEMPERATURE, MOST_MAGNIFIED, Temperature, checked_temperature
from segvae_jax.errors import ConfigError, SegVAEError
from segvae_jax.files import check_writable
from segvae_jax.shipped import checkpoint_names
from segvae_jax.termination import interruptible

# What parsers of values say, and what they expect.
_EXPECTED = {
    r"(invalid literal for int\(\)|Exceeds the limit).*": "a whole number",
    r"could not convert string to float.*": "a number",
    r"\('Non-boolean argument.*": "True or False",
    r"Failed to parse .* as a ConfigDict.*": "a value for one of the keys in it",
    r"Error while parsing string.*as tuple.*": "values in parentheses, as in '(64, 64)'",
    r"-?\d+ is not an integer in the range \[(\d+), (\d+)\]": r"a whole number from \1 to \2",
    r"-?\d+ is not a positive integer": "a whole number from 1 on",
    r"-?\d+ is not a non-negative integer": "a whole number from 0 on",
}
_MISSING = r"flag --\w+=None: Flag --(\w+) must have a value other than None\."
_HELP = {"--help", "-h"}
_SHUTDOWN_TIMEOUT = 24 * 3600  # seconds that a finished process waits for the others; JAX waits only 300 by default


def run_command(command: ModuleType, words: Sequence[str]) -> int:
    """Runs a command in this process.

    The flags of each call are its own, so several commands can run one after the other.

    Args:
      command: a module with `define_flags(own, words)`, which defines the flags in `own`, and with
        `main(given, *arguments)`, which takes their values. `ARGUMENTS`, if it is there, names the arguments that
        are not flags; `complete(words)`, if it is there, completes the words first.
      words: the flags and arguments that follow the name of the command.

    Returns:
      The exit status: 0, or 2 after a mistake of the user, which is reported in one line on stderr.
    """
    own = flags.FlagValues()
    _quieten()
    try:
        words = getattr(command, "complete", list)(words)
        command.define_flags(own, words)
        if _HELP & set(words):
            print(f"{command.__doc__}\n{_flags_help(own)}")
            return 0
        arguments = _parsed(own, [command.__name__, *words])[1:]
        command.main(own, *_as_expected(arguments, getattr(command, "ARGUMENTS", ())))
    except SegVAEError as error:
        return _report(error)
    return 0


def run_user_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main(argv)` of a script with absl's global flags, and exits.

    A mistake of the user is reported in one line on stderr, and the exit status is 2; it is 130 after Ctrl-C.
    """

    def parse(argv: list[str]) -> list[str]:
        try:
            return _parsed(flags.FLAGS, argv)
        except SegVAEError as error:
            sys.exit(_report(error))

    def guarded(argv: list[str]) -> None:
        _quieten()
        try:
            main(argv)
        except SegVAEError as error:
            sys.exit(_report(error))

    run = functools.partial(app.run, guarded, flags_parser=parse)
    sys.exit(interruptible(run, "complete files are kept, start again for the others", whole_process=True))


def define_labels_flag(own: flags.FlagValues) -> None:
    """Defines `--labels`, which says what the indices of given maps mean."""
    about = (
        "What indices and colours mean: a label list (.txt, .json, .yaml or .csv), `data` for the labels of the"
        " training maps, `model` for the classes of the model; found out if not given."
    )
    flags.DEFINE_string("labels", "", about, own)


def checkpoint_help() -> str:
    """The help of the flag `--checkpoint`, with the names of all checkpoints that are installed."""
    return f"The --workdir of a training run, an import, an export, or a name: {', '.join(checkpoint_names())}."


def define_temperature_flag(own: flags.FlagValues) -> None:
    """Defines `--temperature`, which `temperature_of` reads."""
    number = f"A number from 0 to {HIGHEST_TEMPERATURE:g}, or SCALE=NUMBER,.. for scales of the latent."
    about = f"Temperature of the prior; lower is more typical. {number}"
    flags.DEFINE_list("temperature", ["1"], about, flag_values=own)


def temperature_of(given: flags.FlagValues) -> Temperature:
    """The value of `--temperature`: of all scales of the latent, or of some by name.

    Raises:
      SegVAEError: if it is neither a number from 0 to 10 nor such numbers by name.
    """
    words = given.temperature
    try:
        numbers = [float(word.rpartition("=")[2]) for word in words]
    except ValueError:
        numbers = []
    names = [word.rpartition("=")[0].strip() for word in words]
    if numbers and names == [""]:
        return checked_temperature(numbers[0])
    if not numbers or not all(names) or len(set(names)) < len(names):
        expected = "expected a number, or SCALE=NUMBER,SCALE=NUMBER,.. with each scale once"
        raise ConfigError(f"--temperature={','.join(words)}: {expected}")
    return checked_temperature(dict(zip(names, numbers, strict=True)))


def define_picture_flags(own: flags.FlagValues) -> None:
    """Defines the flags of pictures for people: `--columns`, `--scale` and `--save_enlarged`."""
    about = "Sheet of maps: maps per row; if not given, a nearly square sheet with few blank cells."
    flags.DEFINE_integer("columns", None, about, 1, flag_values=own)
    about = "Pictures: side of the square that each pixel of a map becomes; small maps are magnified if not given."
    flags.DEFINE_integer("scale", None, about, 1, MOST_MAGNIFIED, own)
    flags.DEFINE_string("save_enlarged", None, "Folder for one coloured PNG per map, enlarged by --scale.", own)


def check_folders(folders: Mapping[str, str]) -> None:
    """Checks before anything is computed that the folders, by their flags, can be written to.

    Raises:
      SegVAEError: if one cannot, or is named twice.
    """
    seen: set[Path] = set()
    for flag, folder in folders.items():
        check_writable(folder, flag)
        if (place := Path(folder).expanduser().resolve()) in seen:
            raise ConfigError(f"{flag}={folder}: another flag names this folder: give each its own")
        seen.add(place)


def define_host_flags(own: flags.FlagValues) -> None:
    """Defines `--distributed` and its details, which `join_hosts` reads."""
    flags.DEFINE_bool("distributed", False, "Join the other hosts of this job (jax.distributed).", own)
    flags.DEFINE_string("coordinator", None, "With --distributed: HOST:PORT of process 0.", own)
    flags.DEFINE_integer("process", None, "With --coordinator: the number of this process.", flag_values=own)
    flags.DEFINE_integer("processes", None, "With --coordinator: the number of processes.", flag_values=own)


def join_hosts(given: flags.FlagValues) -> None:
    """Joins the other hosts of the job if `--distributed` is given."""
    if given.distributed:
        import jax

        address = given.coordinator, given.processes, given.process
        jax.distributed.initialize(*address, shutdown_timeout_seconds=_SHUTDOWN_TIMEOUT)


def _parsed(own: flags.FlagValues, argv: Sequence[str]) -> list[str]:
    """Parses the flags; returns the other arguments, the program's name first.

    Raises:
      SegVAEError: if a flag, or a key of the configuration, is unknown or has a wrong value.
    """
    try:
        return own(argv)
    except (AttributeError, KeyError) as error:
        key = str(error.args[0]).replace("\\n", ": ").replace("\\", "").replace("'", "")
        raise ConfigError(f"unknown configuration key {key}") from None
    except (TypeError, ValueError, OSError, flags.Error) as error:
        text = str(error)
        if missing := re.findall(_MISSING, text):
            raise ConfigError(f"missing --{' and --'.join(missing)}: give a value, see --help") from None
        for reason, expected in _EXPECTED.items():
            text = re.sub(reason, f"expected {expected}", text, flags=re.DOTALL)
        raise ConfigError(text) from None


def _as_expected(arguments: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    if not names and arguments:
        raise ConfigError(f"unexpected argument {arguments[0]!r}: expected flags only, see --help")
    if len(arguments) != len(names):
        raise ConfigError(f"expected {len(names)} arguments, {' '.join(names)}, got {len(arguments)}: see --help")
    return arguments


@contextlib.contextmanager
def flag_group(own: flags.FlagValues, title: str) -> Iterator[None]:
    """Lists the flags that the block defines under a title of their own in the help."""
    before = set(own)
    yield
    by_title = own.flags_by_module_dict()  # absl groups flags by the module that defines them
    for title_of_module in list(by_title):
        flags_of_module = by_title[title_of_module]
        if new := [flag for flag in flags_of_module if flag.name not in before]:
            by_title[title_of_module] = [flag for flag in flags_of_module if flag.name in before]
            by_title.setdefault(title, []).extend(new)


def _flags_help(own: flags.FlagValues) -> str:
    """The help of every flag, by groups; flags without a group, which have that of a module, are first."""
    groups = {title: own.module_help(title).strip() for title, found in own.flags_by_module_dict().items() if found}
    ordered = sorted(groups, key=lambda title: "." not in title)
    parts = (("Flags" if "." in title else title, groups[title].partition("\n")[2]) for title in ordered)
    return "\n\n".join(f"{title}:\n{text}" for title, text in parts)


def _quieten() -> None:
    """Silences what libraries log without need. Orbax and its tasks log an error in each thread before it is raised."""
    logging.set_verbosity(logging.WARNING)
    logging.get_absl_logger().addFilter(_is_news)
    for name in ("asyncio", "concurrent.futures"):
        getLogger(name).setLevel(CRITICAL)


def _is_news(record: LogRecord) -> bool:
    return "orbax" not in record.pathname or record.levelno < ERROR


def _report(error: SegVAEError) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2
