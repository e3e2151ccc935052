"""Compares the PyTorch implementation of the benchmarks with golden values of the authors' release."""

import json
from pathlib import Path

import numpy as np
import pytest

# The tests do not depend on PyTorch: it is large, and only the benchmarks use it (extra `bench`).
torch = pytest.importorskip("torch")

from benchmarks.torch_segvae import TorchSegVAE, losses  # noqa: E402

GOLDEN = Path(__file__).parent.parent / "golden" / "humanparsing_small.npz"
# (network, prefix of the parameter name) in the release -> module here
MODULES = {
    ("shapeE", "embed_label_set.0"): "context_encoder.embed_label_set.hidden",
    ("shapeE", "embed_label_set.2"): "context_encoder.embed_label_set.out",
    ("shapeE", "embed.0"): "context_encoder.embed_target.hidden",
    ("shapeE", "embed.2"): "context_encoder.embed_target.out",
    ("shapeE", "layer_out"): "context_encoder.levels.flatten",
    ("prior", "embed"): "prior_embed",
    ("posterior", "embed.0"): "shape_encoder.embed_target.hidden",
    ("posterior", "embed.2"): "shape_encoder.embed_target.out",
    ("posterior", "final_conv"): "shape_encoder.levels.flatten",
    ("shapeD", "layer_in"): "decoder.unflatten",
    ("shapeD", "layer5.0"): "decoder.up.4",
    **{("shapeE", f"layer{n + 1}.net.0"): f"context_encoder.levels.down.{n}" for n in range(5)},
    **{("posterior", f"layer{n + 1}.net.0"): f"shape_encoder.levels.down.{n}" for n in range(5)},
    **{("shapeD", f"layer{n + 1}.net.0"): f"decoder.up.{n}" for n in range(4)},
    **{
        (network, theirs): f"{network}.{ours}"
        for network in ("prior", "posterior")
        for theirs, ours in (("fc_mu", "mu"), ("fc_var", "logvar"), ("lstm.0", "lstm"))
    },
}


class Golden:
    """The golden values, and the model with their weights."""

    def __init__(self):
        with np.load(GOLDEN) as archive:
            self.values = dict(archive)
        self.meta = meta = json.loads(str(self.values["meta"]))
        shape = self.values["input/maps_shape"]
        maps = np.unpackbits(self.values["input/maps"])[: np.prod(shape)].reshape(shape)
        self.class_maps = torch.from_numpy(maps.astype(np.float32))
        self.order = self.values["input/order"].tolist()
        self.model = TorchSegVAE(
            meta["classes"], self.order, (meta["size"], meta["size"]), meta["ngf"], meta["shape_dim"],
            meta["hidden_dim"], meta["z_dim"],
        )  # fmt: skip
        for key in self.keys("state"):
            self.load(key)

    def __getitem__(self, key: str):
        return torch.from_numpy(np.asarray(self.values[key]))

    def keys(self, group: str) -> list[str]:
        return [key for key in self.values if key.startswith(f"{group}/")]

    def load(self, key: str) -> None:
        tensor, name = self.find(key)
        with torch.no_grad():
            if name != "u0":
                tensor.copy_(self[key])
                return
            u, weight = self[key].reshape(-1), tensor.parametrizations.weight.original.flatten(1)
            tensor.parametrizations.weight[0]._u.copy_(u)
            tensor.parametrizations.weight[0]._v.copy_(torch.nn.functional.normalize(weight.T @ u, dim=0))

    def find(self, key: str):
        """The parameter that belongs to a key, or the module if the key names a singular vector."""
        _, network, name = key.split("/")
        prefix, last = name.rsplit(".", 1)
        module = self.model.get_submodule(MODULES[network, prefix])
        if last == "u0":
            return module, last
        if last == "weight" and hasattr(module, "parametrizations"):
            return module.parametrizations.weight.original, last
        return getattr(module, last), last

    def shapes(self, key: str):
        """The stored maps, `[B, C, h, w]` at some pixels, with their classes in drawing order, `[K, B, h, w]`."""
        return (self[key].float() / 65535)[:, self.order].transpose(0, 1)

    def cut(self, shapes):
        stride = self.meta["map_stride"]
        return shapes[..., ::stride, ::stride]


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden()


@pytest.fixture(scope="module")
def forward(golden):
    """A forward pass for training with its losses. The gradients are left in the model."""
    golden.model.train()
    output = golden.model(golden.class_maps, golden["input/label_set"], golden["input/eps_posterior"])
    shapes = golden.class_maps[:, golden.order].transpose(0, 1)
    terms = losses(output, shapes, golden["input/label_set"][:, golden.order].T, golden.meta["lambda_kl"])
    terms[0].backward()
    return output, terms


def assert_close(ours, theirs, tolerance=1e-4):
    torch.testing.assert_close(ours.detach(), theirs, rtol=0, atol=tolerance)


def test_every_weight_is_loaded(golden):
    layers = {tuple(key.rsplit(".", 1)[0].split("/")[1:]) for key in golden.keys("state")}
    assert layers == set(MODULES)
    loaded = [golden.find(key)[0] for key in golden.keys("state") if not key.endswith("u0")]
    assert {id(tensor) for tensor in loaded} == {id(parameter) for parameter in golden.model.parameters()}


def test_training_forward(golden, forward):
    output, _ = forward
    assert_close(output.context, golden["teacher/context/feature"])
    for name in ("prior", "posterior"):
        for field in ("mu", "logvar"):
            assert_close(getattr(getattr(output, name), field), golden[f"teacher/{name}/{field}"])
    assert_close(golden.cut(output.shapes), golden.shapes("teacher/recon_u16"))


def test_losses(golden, forward):
    total, kl, recon = (term.item() for term in forward[1])
    assert golden.meta["lambda_kl"] * kl == pytest.approx(float(golden["teacher/loss_kl_weighted"]), rel=1e-4)
    assert recon == pytest.approx(float(golden["teacher/loss_recon"]), rel=1e-4)
    assert total == pytest.approx(golden.meta["lambda_kl"] * kl + recon, rel=1e-5)


def test_every_gradient(golden, forward):
    for key in golden.keys("grad"):
        ours = golden.find(key)[0].grad
        if ours.numel() > golden.meta["tensor_limit"]:
            ours = ours.reshape(-1)[:: golden.meta["tensor_stride"]]
        tolerance = max(1e-3 * golden.meta["largest"][key], 1e-6 if _before_norm(key) else 0)
        torch.testing.assert_close(
            ours, golden[key], rtol=0, atol=tolerance, msg=lambda text, key=key: f"{key}: {text}"
        )


def _before_norm(key: str) -> bool:
    """Whether a tensor is a bias before InstanceNorm. It has no effect, and its gradient is rounding noise."""
    return key.endswith("net.0.bias")


def test_free_running_generation_with_and_without_folded_spectral_norm(golden, forward):
    for prepare in (golden.model.eval, golden.model.fold_spectral_norm):
        prepare()
        output = golden.model.generate(golden["input/label_set"], golden["input/eps_prior"])
        assert_close(output.context, golden["generate/context/feature"])
        assert_close(output.prior.mu, golden["generate/prior/mu"])
        assert_close(output.prior.logvar, golden["generate/prior/logvar"])
        assert_close(golden.cut(output.shapes), golden.shapes("generate/maps_u16"))
