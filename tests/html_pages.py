"""Reads HTML as a browser would, for tests of what a page shows and of what it must not hold."""

import html.parser

HOSTILE = ("<img src=x onerror=alert(1)>", '"onload="', "</title></script><script>alert(2)</script>")
_VOID = ("br", "img", "meta")


class Page(html.parser.HTMLParser):
    """The tags of a page or of a part of one, with their attributes, and its texts.

    Attributes:
      tags: (tag, attributes), in order.
      texts: stripped, without empty ones.
    """

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], "tags that are not closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if text := " ".join(data.split()):
            self.texts.append(text)

    def count(self, tag: str) -> int:
        return [name for name, _ in self.tags].count(tag)

    def assert_harmless(self, scripts: int = 0) -> None:
        """No attribute runs a script, nothing is fetched, and there are only as many scripts as the page needs."""
        assert self.count("script") == scripts
        for _, attributes in self.tags:
            assert not [name for name in attributes if name.startswith("on")]
            assert all((attributes.get(name) or "data:").startswith("data:") for name in ("src", "href"))

    def assert_fits_phones(self) -> None:
        """The page has the width of the screen, and what may be wider is scrolled in a place of its own."""
        assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in self.tags
        scrolled = self.tags.count(("div", {"class": "scroll", "tabindex": "0"}))
        assert scrolled == self.count("table") > 0
