"""Pages as their files hold them."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, what it loads, its places, and the rows of its tables by the place of their section."""

    def __init__(self, file: Path):
        super().__init__()
        self.links, self.loads, self.places, self.tables = [], [], set(), {}
        self.section, self.cell, self.part = "", None, ""
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        self.places |= {facts["id"]} if facts.get("id") else set()
        self.links += [facts["href"]] if tag == "a" else []
        self.loads += [facts.get("src") or facts.get("href")] if tag in ("img", "script", "link") else []
        if tag == "section":
            self.section = facts["id"]
        elif tag in ("thead", "tbody"):
            self.part = facts.get("class") or tag
        elif tag == "tr":
            self.tables.setdefault(self.section, []).append((self.part, []))
        elif tag in ("td", "th"):
            self.cell = []

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[self.section][-1][1].append(" ".join("".join(self.cell).split()))
            self.cell = None


def broken(site: Path) -> list[str]:
    """Return the links of a site that lead out of it, or to no file, or to no place in one."""
    pages, found = {file: Page(file) for file in site.rglob("*.html")}, []
    for file, page in pages.items():
        for link in {*page.links, *page.loads} - {"data:,"}:
            parts = urlsplit(link)
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            leads = not parts.scheme and not parts.netloc and target.is_file() and target.is_relative_to(site.resolve())
            if not leads or (parts.fragment and unquote(parts.fragment) not in pages[target].places):
                found.append(f"{file}: {link}")
    return found
