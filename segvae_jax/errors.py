"""The one exception type that users meet."""


class SegVAEError(Exception):
    """A mistake the user can mend.

    The message is one line that names the thing (file, class, config key, checkpoint), what was
    expected, and what to do. Scripts print it without a traceback and exit with status 2.
    """


class ArgumentError(SegVAEError):
    """A number or path that a function cannot use."""


class LabelError(SegVAEError):
    """A class name or label-set that the label space does not hold."""


class MapError(SegVAEError):
    """A semantic map or image file that cannot be used."""


class AmbiguousMapError(MapError):
    """An index map whose palette says that its indices were moved."""


class DataError(SegVAEError):
    """A data set, source or split that cannot be used."""


class ConfigError(SegVAEError):
    """A configuration value that cannot be used."""


class CheckpointError(SegVAEError):
    """A checkpoint that is missing, damaged, foreign, or of another model."""


class OutputError(SegVAEError):
    """A folder that cannot be written to, or holds something else."""


class TrainingDiverged(SegVAEError):
    """A loss or gradient became non-finite."""


class DamagedFile(SegVAEError):
    """A file that is missing, or is not as it was written."""
