"""How fast the model trains and draws, beside a PyTorch rendition and the project's targets."""
