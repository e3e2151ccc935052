"""The models.

SegVAE is that of Cheng, Lee, Sun and Yang, "Controllable Image Synthesis via SegVAE", ECCV 2020, arXiv 2007.08397,
"the paper" in what follows; "the release" is the authors' code. Read `reference` first, then `protocol`.
"""
