"""Makes the pictures of gallery.md by the code that stands above them: python docs/gallery.py [FOLDER]"""

import contextlib
import re
import sys
from pathlib import Path

_HERE = Path(__file__).parent


def snippets() -> list[str]:
    """The code of the page, in its order; each uses what those before it have defined."""
    return re.findall(r"```python\n(.*?)```", (_HERE / "gallery.md").read_text("utf-8"), re.DOTALL)


def make(folder: Path) -> None:
    """Runs all snippets in a folder, to which they save their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    defined: dict[str, object] = {}
    with contextlib.chdir(folder):
        for snippet in snippets():
            exec(snippet, defined)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else _HERE / "gallery")
