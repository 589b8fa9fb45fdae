"""BEA's archive of regional releases: what its pages link to, and what the names of folders and files say.

The form of these pages is an assumption, because nobody here has seen one: any link of any page counts, and only names
that were seen elsewhere are understood (`1019pce/pce1019.zip`, `lapi1118-2.zip`, `spi0404-3.csv`). A name is never made
up. Links are followed below the archive's own address alone; all others are told and left.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

ARCHIVE_PATH = "/regional/histdata/"
"""Where BEA keeps its archive of regional releases."""

DATA_ENDINGS = (".zip", ".csv")
"""What the files end with that are read from it."""

_PAGE_ENDINGS = ("", ".cfm", ".htm", ".html", ".asp", ".aspx", ".php")
_INDEX = re.compile(r"/(?:index|default)\.\w+$", re.IGNORECASE)
_FOLDER = re.compile(r"(?P<month>0[1-9]|1[0-2])(?P<year>\d\d)(?P<kind>[a-z]+)(?:[-_]?\d+)?", re.IGNORECASE)
_FILE = re.compile(r"(?P<kind>[a-z]+)(?P<month>0[1-9]|1[0-2])(?P<year>\d\d)(?:[-_]\w+)*", re.IGNORECASE)
_FOLDER_OF_RELEASES = "releases"
_FIRST_YEAR_OF_THE_CENTURY_BEFORE = 70
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY = re.compile(rf"\b({'|'.join(_MONTHS)})\s+(\d{{1,2}})\s*,?\s+(\d{{4}})\b", re.IGNORECASE)
_UNSEEN = {"script", "style"}
_ODD_PATH = re.compile(r"(?:^|/)\.\.?(?:/|$)|[\\\x00-\x1f]")


@dataclass(frozen=True, order=True)
class ReleaseName:
    """What the name of a folder or file says of its release."""

    month: date
    """The first day of the month of the release."""
    kind: str
    """The kind of release, in small letters: `pce`, `rpi`, `spi`."""

    @property
    def folder(self) -> str:
        """The name that BEA gives to the release's folder: `1019pce`."""
        return f"{self.month:%m%y}{self.kind}"


def release_named(folder: str) -> ReleaseName | None:
    """What the name of a folder says: `1019pce` is of October 2019 and kind pce; None where it says nothing.

    For example:

        >>> release_named("1019pce")
        ReleaseName(month=datetime.date(2019, 10, 1), kind='pce')
    """
    return _named(_FOLDER.fullmatch(folder))


def release_of_file(name: str) -> ReleaseName | None:
    """What the name of a file says: `pce1019.zip`, `lapi1118-2.zip`; None where it says nothing."""
    return _named(_FILE.fullmatch(PurePosixPath(name).stem))


def _named(found: re.Match[str] | None) -> ReleaseName | None:
    if found is None:
        return None
    year = int(found["year"])
    century = 1900 if year >= _FIRST_YEAR_OF_THE_CENTURY_BEFORE else 2000
    return ReleaseName(date(century + year, int(found["month"]), 1), found["kind"].lower())


@dataclass(frozen=True)
class Page:
    """What one page links to, each address once, in the page's order."""

    pages: tuple[str, ...] = ()
    """Pages of the archive."""
    files: tuple[str, ...] = ()
    """Zips and CSV files of the archive."""
    others: tuple[str, ...] = ()
    """Other files of the archive, such as workbooks, which nothing here reads."""
    elsewhere: tuple[str, ...] = ()
    """Addresses that do not lie below the archive's own, or have a query: they are not followed."""


@dataclass(frozen=True)
class Release:
    """A release of the archive as its pages have it."""

    name: str
    """The name of its folder; of files without one, what their names say."""
    said: ReleaseName | None
    """Month and kind; None where the name does not say them."""
    pages: tuple[str, ...] = ()
    """The addresses of its pages that are known so far."""
    files: tuple[str, ...] = ()
    """The addresses of its zips and CSV files that are known so far."""
    others: tuple[str, ...] = ()
    """The addresses of its other files."""
    elsewhere: tuple[str, ...] = ()
    """The addresses of zips and CSV files out of the archive that its pages link to: they are not followed."""

    def with_pages(self, pages: Mapping[str, bytes], root: str) -> "Release":
        """The release with everything that its pages, by address, link to."""
        read = [read_page(body, address, root) for address, body in pages.items()]
        linked = next((each for each in releases_on(read, root) if each.name == self.name), self)
        elsewhere = [link for page in read for link in page.elsewhere if _ending(link) in DATA_ENDINGS]
        return replace(
            self,
            files=tuple(dict.fromkeys([*self.files, *linked.files])),
            others=tuple(dict.fromkeys([*self.others, *linked.others])),
            elsewhere=tuple(dict.fromkeys(elsewhere)),
        )


def read_page(body: bytes, address: str, root: str) -> Page:
    """What a page at `address` links to, seen from the archive at `root` ("https://apps.bea.gov/regional/histdata/")."""
    sorted_out: dict[str, list[str]] = {"pages": [], "files": [], "others": [], "elsewhere": []}
    for link in dict.fromkeys(_links(body, address)):
        sorted_out[_sort_of(link, root)].append(link)
    return Page(**{sort: tuple(links) for sort, links in sorted_out.items()})


def is_within(address: str, root: str) -> bool:
    """Whether an address lies below the archive's own: the same scheme, host and beginning of its path, no query.

    A path that leads upwards, also in disguise (`%2e%2e`), does not.
    """
    try:
        asked, own = urlsplit(address), urlsplit(root)
        place = (asked.scheme.lower(), asked.netloc.lower())
    except ValueError:
        return False
    path = unquote(unquote(asked.path))
    return (
        place == (own.scheme.lower(), own.netloc.lower())
        and not asked.query
        and asked.path.lower().startswith(own.path.lower())  # the server is known to take paths in any case
        and not _ODD_PATH.search(path)
    )


def is_page(address: str) -> bool:
    """Whether an address looks like that of a page and not of a file."""
    return _ending(address) in _PAGE_ENDINGS


def canonical_page(address: str) -> str:
    """The same text for every way to write the address of one page: a folder and its index are one page."""
    bare = _INDEX.sub("/", address).lower()
    return bare if bare.endswith("/") or _ending(bare) else f"{bare}/"


def release_at(address: str, root: str) -> str | None:
    """The name of the release that an address belongs to; None for a page that is above all releases.

    It is the folder whose name says a month and a kind, else the one below `releases/`, else, of a file, what the
    file's name says, or its own name.
    """
    path = PurePosixPath(unquote(urlsplit(address).path[len(urlsplit(root).path) :]))
    is_folder = address.endswith("/") or not path.suffix
    folders = path.parts if is_folder else path.parts[:-1]
    for folder in folders:
        if release_named(folder) is not None:
            return folder
    if len(folders) > 1 and folders[0].lower() == _FOLDER_OF_RELEASES:
        return folders[1]
    if is_page(address):
        return None
    said = release_of_file(path.name)
    return said.folder if said is not None else path.stem


def releases_on(pages: Iterable[Page], root: str) -> list[Release]:
    """The releases that pages link to, oldest first, those whose names say no month last."""
    found: dict[str, dict[str, dict[str, None]]] = {}
    for page in pages:
        for sort, links in (("pages", page.pages), ("files", page.files), ("others", page.others)):
            for link in links:
                name = release_at(link, root)
                if name is not None:
                    found.setdefault(name, {"pages": {}, "files": {}, "others": {}})[sort][link] = None
    releases = [
        Release(name, _said_of(name), **{sort: tuple(links) for sort, links in of.items()})
        for name, of in found.items()
    ]
    return sorted(releases, key=lambda each: (each.said is None, each.said.month if each.said else date.max, each.name))


def day_on(pages: Iterable[bytes], month: date) -> date | None:
    """The one day within a month that the texts of pages name; None where they name none or several.

    Which of several days is that of the release, nobody could say.
    """
    days = {
        day
        for page in pages
        for name, number, year in _DAY.findall(_text_of(page))
        if (day := _day(int(year), _MONTHS.index(name.lower()) + 1, int(number))) is not None
        and day.replace(day=1) == month
    }
    return days.pop() if len(days) == 1 else None


def _said_of(name: str) -> ReleaseName | None:
    return release_named(name) or release_of_file(name)


def _day(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _sort_of(link: str, root: str) -> str:
    if not is_within(link, root):
        return "elsewhere"
    if _ending(link) in DATA_ENDINGS:
        return "files"
    return "pages" if is_page(link) else "others"


def _ending(address: str) -> str:
    return PurePosixPath(urlsplit(address).path.rpartition("/")[2]).suffix.lower()


class _Reader(HTMLParser):
    """Collects links and the text that a person sees; whatever is wrong with a page, it goes on."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.links: list[str] = []
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in {"a", "area"} and said.get("href"):
            self.links.append(str(said["href"]).strip())
        elif tag == "base" and said.get("href") and not self.base:
            self.base = str(said["href"]).strip()
        if tag in _UNSEEN:
            self._unseen += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(self._unseen - 1, 0)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.words.append(data)


def _read(body: bytes) -> _Reader:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader


def _links(body: bytes, address: str) -> Iterator[str]:
    reader = _read(body)
    for link in reader.links:
        try:
            whole = urljoin(urljoin(address, reader.base), link)
            scheme = urlsplit(whole).scheme
        except ValueError:
            continue  # what is no address leads nowhere
        if scheme in {"http", "https"}:
            yield whole.partition("#")[0].replace(" ", "%20")


def _text_of(body: bytes) -> str:
    return " ".join(" ".join(_read(body).words).split())
