"""The comparison with golden values, for a pair of files that the tests write from a 16 px model."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from torch_writer import release_tensors, saved, state_dicts

from segvae_jax.errors import CheckpointError
from segvae_jax.interop import verify
from segvae_jax.maps import with_background
from segvae_jax.model.losses import reduce_losses
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE, generate

LEVELS = 2
MODEL = SegVAE(num_channels=3, order=(2, 1), image_size=(16, 16), ngf=2, context_dim=5, hidden_dim=3, latent_dim=4)
META = {"lambda_kl": 1e-2, "lambda_shape": 2.0, "lr": 1e-3, "betas": [0.5, 0.999], "background_threshold": 0.4}


def weights():
    """Weights far from the start of training, so that every quantity matters."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: init_variables(MODEL, 0))
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape, scale=0.4), jnp.float32), dict(shapes))


def inputs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    maps = rng.random((2, 3, 16, 16)) < 0.3
    maps[:, 0] = False
    maps[1, 2] = False
    eps = {f"input/eps_{name}": rng.normal(size=(2, 2, 4)).astype(np.float32) for name in ("prior", "posterior")}
    return {
        "input/maps": np.packbits(maps),
        "input/maps_shape": np.array(maps.shape),
        "input/label_set": maps.any((2, 3)).astype(np.float32),
        "input/order": np.array(MODEL.order),
        **eps,
    }


def training_step(variables, class_maps, label_set, eps_posterior, eps_prior):
    """The entries of a fixture for a training step, as the release defines them."""
    shapes = jnp.moveaxis(class_maps[..., jnp.asarray(MODEL.order)], -1, 1)

    def loss(params):
        output = MODEL.apply({**variables, "params": params}, class_maps, label_set, eps_posterior)
        terms = reduce_losses(MODEL.loss_terms(output, shapes, "l1"), output.present, META["lambda_kl"])
        kl, reconstruction = META["lambda_kl"] * terms.kl, META["lambda_shape"] * terms.reconstruction
        return kl + reconstruction, (output, kl, reconstruction)

    grads, (output, kl, reconstruction) = jax.grad(loss, has_aux=True)(variables["params"])
    z = output.prior.sample(eps_prior)
    from_prior = output.replace(logits=MODEL.apply(variables, output.context, z, method="decode"))
    adam = optax.adam(META["lr"], *META["betas"])
    updates, _ = adam.update(grads, adam.init(variables["params"]))
    adam1 = optax.apply_updates(variables["params"], updates)
    return output, from_prior.shapes, kl, reconstruction, grads, adam1, generate(MODEL, variables, label_set, eps_prior)


def u16(class_maps) -> np.ndarray:
    return np.round(np.asarray(with_background(class_maps)).transpose(0, 3, 1, 2) * 65535).astype(np.uint16)


def on_channels(shapes):
    blank = jnp.zeros((2, 16, 16, 3))
    return blank.at[..., jnp.asarray(MODEL.order)].set(jnp.moveaxis(shapes, 1, -1))


def prefixed(prefix: str, tree) -> dict[str, np.ndarray]:
    state = release_tensors(tree, LEVELS)
    return {f"{prefix}/{net}/{name}": a for net, tensors in state.items() for name, a in tensors.items()}


def golden_values(variables) -> dict[str, np.ndarray]:
    given = inputs()
    maps = np.unpackbits(given["input/maps"])[:1536].reshape(2, 3, 16, 16).transpose(0, 2, 3, 1).astype(np.float32)
    arrays = [given["input/label_set"], *(given[f"input/eps_{n}"].swapaxes(0, 1) for n in ("posterior", "prior"))]
    output, from_prior, kl, reconstruction, grads, adam1, generated = jax.jit(
        training_step, compiler_options={"xla_backend_optimization_level": 0}
    )(variables, *map(jnp.asarray, (maps, *arrays)))
    gaussians = {
        "teacher/prior": output.prior,
        "teacher/posterior": output.posterior,
        "generate/prior": generated.prior,
    }
    fields = {f"{key}/{name}": getattr(g, name) for key, g in gaussians.items() for name in ("mu", "logvar")}
    fields |= {"teacher/context/feature": output.context, "generate/context/feature": generated.context}
    return {
        "meta": np.array(json.dumps(META)),
        **given,
        **{key: np.swapaxes(np.asarray(value), 0, 1) for key, value in fields.items()},
        "teacher/recon_u16": u16(on_channels(output.shapes)),
        "teacher/from_prior_u16": u16(on_channels(from_prior)),
        "generate/maps_u16": u16(generated.class_maps),
        "teacher/loss_kl_weighted": np.array(kl, np.float64),
        "teacher/loss_recon": np.array(reconstruction, np.float64),
        **prefixed("grad", grads),
        **prefixed("adam1", adam1),
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A checkpoint file and the golden values that belong to it."""
    variables = weights()
    path = tmp_path_factory.mktemp("pair") / "small.pth"
    path.write_bytes(saved(state_dicts(release_tensors(variables["params"], LEVELS, variables["spectral"])), "zip"))
    return path, golden_values(variables)


def write(folder, golden: dict[str, np.ndarray]):
    path = folder / "golden.npz"
    np.savez(path, **golden)
    return path


def shifted(golden, key: str, by: float) -> dict[str, np.ndarray]:
    """The golden values, with the largest entry of one of them changed."""
    value = golden[key].copy()
    largest = np.unravel_index(np.abs(value.astype(np.float64)).argmax(), value.shape)
    value[largest] = float(value[largest]) + by
    return {**golden, key: value}


def test_a_pair_that_belongs_together_agrees(pair, tmp_path, capsys):
    checkpoint, golden = pair
    verify.main(["", str(checkpoint), str(write(tmp_path, golden))])
    report = json.loads(capsys.readouterr().out)
    assert all(entry["ok"] for entry in report.values())
    assert {name.split("/")[0] for name in report} == {"teacher", "grad", "adam1", "generate"}
    assert sum(name.startswith("grad/") for name in report) == len(jax.tree.leaves(weights()["params"]))
    tolerances = [report[name]["tolerance"] for name in ("generate/maps", "teacher/loss_recon")]
    assert tolerances == [1e-4, 1e-4 * golden["teacher/loss_recon"]]


@pytest.mark.parametrize(
    ("key", "by", "named"),
    [
        ("teacher/context/feature", 2e-4, "teacher/context/feature"),
        ("teacher/loss_kl_weighted", 1e-2, "teacher/loss_kl_weighted"),
        ("grad/shapeD/layer1.net.0.weight", 1e-2, "grad/decoder/up_0/kernel"),
        ("adam1/prior/fc_mu.weight", 2e-5, "adam1/prior/heads/mu/kernel"),
        ("generate/maps_u16", -10, "generate/maps"),
    ],
)
def test_one_changed_value_fails_alone(key, by, named, pair, tmp_path, capsys):
    checkpoint, golden = pair
    path = write(tmp_path, shifted(golden, key, by))
    with pytest.raises(SystemExit) as stopped:
        verify.main(["", str(checkpoint), str(path)])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert [name for name, entry in json.loads(printed.out).items() if not entry["ok"]] == [named]
    assert printed.err == f"beyond tolerance: {named}\n"


def refusal(checkpoint, fixture) -> str:
    with pytest.raises(CheckpointError) as caught:
        verify.verify(checkpoint, fixture)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"input/maps": None}, "input/maps"),
        ({"input/order": None}, "input/order"),
        ({"meta": None}, "meta"),
        ({"meta": np.array("{")}, "not a fixture"),
        ({"meta": np.array(json.dumps({**META, "background_threshold": 0.5}))}, "background threshold 0.5"),
        ({"input/maps_shape": np.array([2, 3, 99, 16])}, "not a fixture"),
        ({"input/maps_shape": np.array([2, 3, 16, 8])}, "class_maps is (2, 16, 8, 3)"),
        ({"input/label_set": np.ones((2, 4), np.float32)}, "input/label_set is (2, 4)"),
        ({"input/eps_prior": np.ones((2, 2, 5), np.float32)}, "input/eps_prior is (2, 2, 5)"),
        ({"input/order": np.array([1, 1])}, "input/order is (1, 1)"),
    ],
)
def test_golden_values_of_something_else_are_refused(changes, expected, pair, tmp_path):
    checkpoint, golden = pair
    changed = {key: value for key, value in {**golden, **changes}.items() if value is not None}
    path = write(tmp_path, changed)
    message = refusal(checkpoint, path)
    assert expected in message
    assert str(path) in message


def test_files_of_other_kinds_are_refused(pair, tmp_path):
    checkpoint, golden = pair
    path = write(tmp_path, golden)
    content = path.read_bytes()
    for damaged in (b"", b"hello", content[: len(content) // 2], content.replace(b"meta.npy", b"beta.npy")):
        path.write_bytes(damaged)
        assert "golden.npz" in refusal(checkpoint, path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    assert "array.npy" in refusal(checkpoint, tmp_path / "array.npy")
    assert "absent.npz" in refusal(checkpoint, tmp_path / "absent.npz")
    assert "golden.npz" in refusal(path, path)


def test_the_script_meets_a_mistake_with_one_line_and_status_2(pair, tmp_path):
    command = [sys.executable, "-m", "segvae_jax.interop.verify", str(pair[0]), str(tmp_path / "absent.npz")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_the_script_wants_two_arguments():
    with pytest.raises(CheckpointError, match=r"IN\.pth FIXTURE\.npz"):
        verify.main(["", "a.pth"])
