"""The hair styles and hats of the cartoon faces: how frequent they are and what goes with what."""

# Shares of the hair styles. In CelebAMask-HQ about half of all ears show, and 3 % of the heads have no hair.
HAIR = {
    "long": 0.16, "wavy": 0.2, "curls": 0.08, "tucked": 0.12, "bob": 0.09, "lob": 0.07, "pixie": 0.05, "afro": 0.03,
    "bun": 0.06, "updo": 0.06, "ponytail": 0.05, "high_tail": 0.03, "side_tail": 0.02, "braids": 0.03, "pigtails": 0.01,
}  # fmt: skip
SHORT_HAIR = {
    "short": 0.36, "buzz": 0.09, "quiff": 0.14, "spiky": 0.06, "mop": 0.1, "curly": 0.08, "receding": 0.05,
    "horseshoe": 0.03, "bald": 0.06, "mane": 0.03,
}  # fmt: skip
CHILD_HAIR = {
    "short": 0.25, "mop": 0.2, "curly": 0.07, "bob": 0.14, "long": 0.1, "pigtails": 0.12, "ponytail": 0.06,
    "braids": 0.06,
}  # fmt: skip
BARE = ("bald", "horseshoe")  # no hair on top
# Per style, the shares of heads of which both ears and of which one ear is covered.
COVERED_BY = {
    "long": (0.75, 0.2), "wavy": (0.7, 0.2), "curls": (0.85, 0.15), "tucked": (0.0, 0.3), "bob": (0.65, 0.2),
    "lob": (0.65, 0.25), "pixie": (0.1, 0.1), "afro": (0.7, 0.0), "bun": (0.0, 0.1), "updo": (0.1, 0.2),
    "ponytail": (0.0, 0.1), "high_tail": (0.0, 0.0), "side_tail": (0.0, 1.0), "braids": (0.1, 0.0),
    "pigtails": (0.0, 0.0), "short": (0.0, 0.0), "buzz": (0.0, 0.0), "quiff": (0.0, 0.0), "spiky": (0.0, 0.0),
    "mop": (0.6, 0.1), "curly": (0.25, 0.1), "receding": (0.0, 0.0), "horseshoe": (0.0, 0.0), "bald": (0.0, 0.0),
    "mane": (0.6, 0.2),
}  # fmt: skip
HATS = {
    "beanie": 0.22, "bobble": 0.06, "cap": 0.2, "fedora": 0.16, "sun_hat": 0.08, "bucket": 0.06, "beret": 0.08,
    "headscarf": 0.07, "turban": 0.03, "bandana": 0.04,
}  # fmt: skip
# Styles that stand up from the head are replaced under a hat.
UNDER_HAT = {
    "bun": "updo", "high_tail": "ponytail", "afro": "curly", "quiff": "short", "spiky": "short", "mane": "mop",
    "horseshoe": "bald", "receding": "short",
}  # fmt: skip
