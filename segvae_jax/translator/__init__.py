"""From label maps to pictures: a generator with spatially-adaptive normalisation, trained against a discriminator."""
