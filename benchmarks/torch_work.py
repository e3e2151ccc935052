"""The benchmark problems for the PyTorch implementation. Importing this module needs PyTorch."""

import contextlib

import torch

from benchmarks.measure import Work
from benchmarks.torch_segvae import TorchSegVAE, losses
from benchmarks.workload import Setup, class_maps, label_sets, noise

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def build(setup: Setup, device: str) -> TorchSegVAE:
    """The model on a device, with what JAX uses there by default: TF32 and the fastest convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    model = TorchSegVAE(setup.steps + 1, setup.space.order, (setup.size, setup.size), **setup.widths())
    return model.to(device)


def train_work(setup: Setup, device: str) -> Work:
    """Training steps on binary maps that lie in host memory."""
    model, config = build(setup, device).train(), setup.config()
    rate, betas = config.optimizer.learning_rate, config.optimizer.betas
    adam = torch.optim.Adam(model.parameters(), rate, betas, fused=device == "cuda")
    host_maps = torch.from_numpy(class_maps(setup)).permute(0, 3, 1, 2).contiguous()

    def step() -> None:
        maps = host_maps.to(device).float()
        label_set = maps.amax((-2, -1))
        eps = torch.randn(setup.steps, setup.batch, setup.widths()["latent_dim"], device=device)
        with _autocast(setup, device):
            output = model(maps, label_set, eps)
        shapes, present = (a[:, list(setup.space.order)].transpose(0, 1) for a in (maps, label_set))
        adam.zero_grad()
        losses(output, shapes, present, config.loss.kl_weight)[0].backward()
        adam.step()

    return _repeated(step, device)


def generate_work(setup: Setup, device: str) -> Work:
    """Generation with folded spectral norm."""
    model = build(setup, device)
    model.fold_spectral_norm()
    label_set = torch.from_numpy(label_sets(setup)).float()
    eps = torch.from_numpy(noise(setup)).transpose(0, 1).contiguous()

    def step() -> None:
        with _autocast(setup, device):
            model.generate(label_set.to(device), eps.to(device))

    return _repeated(step, device)


def _repeated(step, device: str) -> Work:
    def work(calls: int) -> None:
        for _ in range(calls):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return work


def _autocast(setup: Setup, device: str) -> contextlib.AbstractContextManager:
    if setup.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device, _DTYPES[setup.dtype])
