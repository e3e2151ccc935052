"""What all errors of users have in common."""


def one_line(error: Exception) -> str:
    """The text of an error, which is one short line."""
    text = str(error)
    assert "\n" not in text and len(text) < 300
    return text
