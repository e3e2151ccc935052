"""Conversion as an Apache Beam pipeline, on any runner whose workers share the disk. Needs apache-beam.

    build(source, recipe, "/shared/celeba_128", beam_runner(["--runner=FlinkRunner", ...]))

The pipeline converts the chunks that are missing. The remaining steps are quick and are done in this process, so that
the files are the same as without Beam.
"""

import functools
from collections.abc import Iterator, Sequence

import cloudpickle

from segvae_jax.errors import DataError, SegVAEError
from segvae_jax.workers import Runner, Work


def beam_runner(options: Sequence[str] = ()) -> Runner:
    """A runner for `build` that converts with Beam; `options` are flags of Beam, `--runner=DirectRunner` if empty.

    Raises:
      DataError: if apache-beam is not installed.
    """
    try:
        import apache_beam  # noqa: F401  # an extra, and slow to import
    except ImportError:
        raise DataError("apache-beam is not installed: pip install 'segvae_jax[beam]'") from None
    return functools.partial(_run, list(options))


def _run(options: list[str], work: Work, pieces: Sequence[int]) -> Iterator[int]:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions

    done = functools.partial(_done, cloudpickle.dumps(work))  # sources are closures, which pickle refuses
    try:
        with apache_beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            pieces_of = pipeline | apache_beam.Create(list(pieces)) | apache_beam.Reshuffle()
            pieces_of | apache_beam.Map(done)
    except SegVAEError as error:
        raise type(error)(str(error).partition(" [while running")[0]) from None
    yield from pieces


def _done(pickled: bytes, piece: int) -> int:
    return _loaded(pickled)(piece)


@functools.lru_cache(1)
def _loaded(pickled: bytes) -> Work:
    return cloudpickle.loads(pickled)
