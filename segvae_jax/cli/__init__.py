"""The command `segvae`: one module per command, dispatched by `main`.

A command imports what is slow only after its flags are parsed, so that help and mistakes are answered at once.
"""
