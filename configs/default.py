"""Every key of a configuration, with our recipe for maps of 128 px. The other files change what differs.

The recipe is the hierarchical model. `SMALL` is for two CPU cores: 64 px, and narrower networks; the `:tiny` variants
build on it. `MOVED` and `STARTED` are added for data that is not drawn. `SEGVAE` has the networks of the paper with the
settings that suit them best, and `SEGVAE_SMALL` the same for two CPU cores; the baselines build on these. `PAPER` has
all values of the paper, as its authors released them; the variant `:paper` of an experiment sets them.
"""

from typing import Any

from ml_collections import ConfigDict

SMALL: dict[str, Any] = {
    "batch_size": 5,
    "model.image_size": (64, 64),
    "model.widths": (8, 16, 32, 64),
    "optimizer.warmup_steps": 300,
    "optimizer.ema_decay": 0.998,
}

# Movements of half of the training maps. The hierarchical model is told of them, so they leave no traces in samples.
MOVED: dict[str, Any] = {"data.rotate": 10.0, "data.scale": 0.15, "data.shift": 0.08}

# Begins with the shipped `cartoon`, in networks of its sizes: after 250 steps, real faces have a loss that takes more
# than 1,000 from random weights, and clothes one that takes about 900.
STARTED: dict[str, Any] = {
    "init_from": "cartoon",
    "model.context_dim": 80,
    "model.hidden_dim": 64,
    "loss.kl_warmup": 0,
    "optimizer.learning_rate": 3e-3,
}

SEGVAE: dict[str, Any] = {
    "batch_size": 16,
    "model.name": "segvae",
    "model.context_dim": 512,
    "model.hidden_dim": 256,
    "model.hard_canvas": False,
    "loss.reconstruction": "bce_dice",
    "loss.reduction": "steps",
    "loss.kl_weight": 4e-4,
    "loss.kl_warmup": 0,
    "optimizer.learning_rate": 5e-4,
    "optimizer.betas": (0.5, 0.999),
    "optimizer.warmup_steps": 500,
    "optimizer.decay_from": 0.5,
    "optimizer.weight_decay": 0.0,
    "optimizer.clip_norm": 0.0,
    "optimizer.ema_decay": 0.999,
}

SEGVAE_SMALL: dict[str, Any] = {
    **SEGVAE,
    "model.image_size": (64, 64),
    "model.ngf": 16,
    "model.context_dim": 128,
    "model.hidden_dim": 128,
    "model.latent_dim": 16,
    "optimizer.learning_rate": 4e-3,
    "optimizer.warmup_steps": 100,
    "optimizer.ema_decay": 0.998,
}

PAPER: dict[str, Any] = {
    **SEGVAE,
    "num_steps": 0,
    "num_epochs": 200,
    "data.flip": False,
    "model.latent_dim": 384,
    "model.spectral_norm": True,
    "model.gain": 0.02,
    "loss.reconstruction": "l1",
    "loss.kl_weight": 1e-5,
    "optimizer.learning_rate": 2.5e-5,
    "optimizer.warmup_steps": 0,
    "optimizer.decay_from": 0.75,
    "optimizer.ema_decay": 0.0,
}


def get_config() -> ConfigDict:
    """Our recipe."""
    config = ConfigDict()
    config.seed = 0
    config.batch_size = 16  # over all devices
    config.num_steps = 100_000  # either this ...
    config.num_epochs = 0  # ... or this; the other is 0
    config.init_from = ""  # hierarchical: checkpoint whose weights the run begins with; classes are matched by name
    config.log_every = 50  # steps
    config.checkpoint_every = 1_000  # steps; validation and pictures come with it
    config.pack = True  # computes only steps of a batch whose results differ; saves time, changes no result
    config.accumulate = 1  # number of parts of a batch that are computed one after the other; saves memory
    config.remat = False  # computes norms and activations a second time in the backward pass; saves memory
    config.keep_checkpoints = 3  # number of latest checkpoints to keep; the best one is kept as well

    config.data = _data()
    config.model = _model()

    config.loss = ConfigDict()
    config.loss.reconstruction = "bce_sum"  # or bce, bce_dice, bce_dice_sum, l1
    config.loss.reduction = "pairs"  # mean over all (map, class) pairs; or steps, where rare classes weigh as much
    config.loss.kl_weight = 0.5
    config.loss.kl_warmup = 1_000  # steps in which the weight grows to this value
    config.loss.classes_per_map = 0  # hierarchical without LSTMs: random classes of each map in a step; 0 for all

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 4e-3
    config.optimizer.betas = (0.9, 0.99)
    config.optimizer.warmup_steps = 1_000
    config.optimizer.decay_from = 0.4  # fraction of the run from which the rate falls to zero
    config.optimizer.weight_decay = 1e-2  # times the learning rate
    config.optimizer.clip_norm = 200.0  # largest norm of the gradient; 0 for no limit
    config.optimizer.ema_decay = 0.999  # of the averaged weights; 0 keeps none
    return config


def get_translator_config() -> ConfigDict:
    """Every key of a translator, which turns maps into pictures."""
    config = ConfigDict()
    config.seed = 0
    config.batch_size = 8  # over all devices
    config.num_steps = 20_000
    config.num_epochs = 0
    config.log_every = 50
    config.checkpoint_every = 500
    config.keep_checkpoints = 3

    config.data = _data()
    del config.data.drop_classes

    model = config.model = ConfigDict()
    model.name = "translator"
    model.image_size = (128, 128)  # of maps and pictures
    model.widths = (24, 48, 96, 96)  # channels of the generator from the finest resolution to the coarsest
    model.noise_channels = 8  # of the noise at every pixel
    model.style_dim = 32
    model.class_style = 8  # channels that each class gets from the style
    model.convolved = 16  # resolutions up to this side are modulated by convolutions of the map, finer ones by a table
    model.hidden = 32  # channels of these convolutions
    model.discriminator_widths = (48, 96, 96)  # channels from half of the resolution to the coarsest
    model.patch_discriminator = False  # judges patches with the hinge loss, not pixels; loss.label_mix has to be 0

    config.loss = ConfigDict()
    config.loss.label_mix = 10.0  # weight of the consistency of pictures mixed from a real and a generated one
    config.loss.reconstruction_weight = 10.0  # of the absolute difference from the real picture
    config.loss.kl_weight = 0.03  # of the divergence of styles from the standard normal distribution

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 1e-3
    config.optimizer.betas = (0.0, 0.99)
    config.optimizer.warmup_steps = 100
    config.optimizer.decay_from = 0.5
    config.optimizer.weight_decay = 0.0
    config.optimizer.clip_norm = 0.0
    config.optimizer.ema_decay = 0.999
    return config


def _data() -> ConfigDict:
    """Where maps come from, and what is done to them."""
    data = ConfigDict()
    data.source = "cartoon"  # or celebamask_hq, humanparsing, folder: see data/sources/registry.py
    data.path = ""  # folder or .zip of index PNGs; celebamask_hq, humanparsing: also of any published layout
    data.images = ""  # translators: folder or .zip of the pictures, named as the maps, where a set brings none
    data.layout = ""  # celebamask_hq, humanparsing: name of the layout, where several fit
    data.fit = "stretch"  # humanparsing: or "pad", which keeps the aspect ratio
    data.prepared = "~/.cache/segvae_jax"  # cache for prepared data sets, or one of `prepare.py`
    data.labels = ""  # folder: .txt, .json, .yaml or .csv file with the name of each index, or colour
    data.merge = ""  # folder: "old,old=new;old=new"; classes that become `background` are left out
    data.classes = ""  # folder: classes to keep, in drawing order; all, big ones first, if empty
    data.ignore = -1  # folder: index of pixels that become background, often 255; -1 for none
    data.exclude = ""  # file that lists maps to leave out: one line `id reason` per map
    data.skip_broken = False  # leaves out maps that cannot be read
    data.celeba_mapping = ""  # CelebA-HQ-to-CelebA-mapping.txt, for the official splits ...
    data.celeba_partition = ""  # ... and list_eval_partition.txt
    data.resident_gib = 2.0  # prepared training maps up to this size are kept on the devices
    data.flip = True  # mirrors half of the training maps, left and right classes exchanged
    data.rotate = 0.0  # rotates training maps by up to so many degrees ...
    data.scale = 0.0  # ... scales them by a factor from 1 - scale to 1 + scale ...
    data.shift = 0.0  # ... and shifts them by up to this fraction of height and of width
    data.drop_classes = 0.0  # probability that a class is removed from a training map; one class always stays
    data.kind = "faces"  # cartoon: faces or people
    data.num_maps = 8_000  # cartoon: how many maps
    return data


def _model() -> ConfigDict:
    """The model and its sizes."""
    model = ConfigDict()
    model.name = "hierarchical"  # or segvae, cvae_global, sg2im, masked, diffusion; each knows some of the keys below
    model.image_size = (128, 128)
    model.context_dim = 256
    model.hidden_dim = 128
    model.widths = (8, 24, 48, 96)  # hierarchical: channels from the finest resolution to the coarsest
    model.patch = 1  # hierarchical: pixels on a side that are channels of one; faster, but worse outlines
    model.latent_channels = (12, 8, 4)  # hierarchical: of the latent maps of 4, 8, 16 px, beside the latent vector
    model.latent_groups = 2  # hierarchical: at each of these scales; each is sampled after those before it
    model.subpixel = True  # hierarchical: each pixel becomes 2 x 2 different ones where the resolution doubles
    model.augment_labels = True  # hierarchical: is told how training maps were moved; generated ones are as if unmoved
    model.flip_labels = True  # hierarchical: with augment_labels, is told as well which training maps were flipped
    model.skips = True  # hierarchical: False: the canvas reaches the decoder as one vector only
    model.ngf = 64  # all others: channels of the first convolution
    # With many latents one fact is encoded many times; the noise averages out, and samples vary little.
    model.latent_dim = 32
    model.spectral_norm = False
    model.gain = 1.0  # of the Xavier initialisation
    model.dtype = "float32"  # or bfloat16: of the convolutions; everything else stays float32
    model.recurrent = True  # False: layers without memory instead of the LSTMs
    model.learned_prior = True  # False: a standard normal prior
    model.canvas = True  # False: no class sees the classes before it
    model.hard_canvas = True  # generated shapes are thresholded before later classes see them
    model.skip_absent = False  # True: the LSTM states do not advance in steps of absent classes
    model.draw_steps = 24  # masked, diffusion: network calls per sample; this name is in checkpoints
    model.order = "default"  # or area (big classes first), organs_first (small ones), random (in each batch)
    return model
