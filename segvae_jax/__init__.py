"""SegVAE in JAX: generates and edits semantic label maps, class by class on a growing canvas."""

__version__ = "0.1.0"
