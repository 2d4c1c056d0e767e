"""Readers of the published files that the goldens and the packaged data come from, each known by its SHA-256.

Only the standard library is needed. Nothing here is run by the suites: `python -m tests.golden.regenerate` uses it.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from pathlib import Path

# The numbers are stored as 32 bit floats, which hold seven significant digits of what the agencies published.
FLOAT_DIGITS = Context(prec=7)


class SourceError(Exception):
    """A file is missing or is not the one the goldens were made from."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, how to get it, and what may be done with what is in it."""

    file: str
    sha256: str
    fetch: str
    rights: str


GRETL = Source(
    "gretl-data_2022c-1_all.deb",
    "7790d2f1341c6d75643a31103169b228ae6a2f75aa413db6c7ff0de97dc91a66",
    "apt-get download gretl-data",
    "figures of BEA, BLS and the Federal Reserve: public domain",
)
SKFOLIO = Source(
    "skfolio-1.12.2-py3-none-any.whl",
    "2d324c62a4188dc0b62a713f8d5cea177e208a5b45987e3d3f204dd56d3a669b",
    "pip download --no-deps skfolio==1.12.2",
    "index levels from Yahoo: never committed, only results derived from them",
)
OPENBB_FRED = Source(
    "openbb_fred-2.0.0.tar.gz",
    "458c7c811f076439c29c3a7c041d6928019fb036a4d294cd81cc91dec17a1011",
    "pip download --no-deps --no-binary :all: openbb-fred==2.0.0",
    "Treasury yields of the Federal Reserve's H.15 release: public domain",
)
BOKEH = Source(
    "bokeh_sampledata-2026.1-py3-none-any.whl",
    "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
    "pip download --no-deps bokeh_sampledata==2026.1",
    "prices of Quandl's WIKI set: public domain",
)
HVSAMPLE = Source(
    "hvsampledata-0.1.5-py3-none-any.whl",
    "a1edf660cc98422e0bb1e291163c4e895a018d755e8dea3885f2f86ed97276de",
    "pip download --no-deps hvsampledata==0.1.5",
    "prices from Yahoo: never committed, only compared with",
)


def opened(folder: Path, source: Source) -> bytes:
    """The file's bytes; raises SourceError with the command that fetches it."""
    path = folder / source.file
    if not path.is_file():
        raise SourceError(f"{path} is missing; get it there with: {source.fetch}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise SourceError(f"{path} is not the file the goldens were made from (sha256 {source.sha256})")
    return data


@dataclass(frozen=True, slots=True)
class FedSeries:
    """One series of the St. Louis Fed's collection."""

    description: str
    frequency: str
    start: date
    values: tuple[Decimal, ...]


def fedstl(package: bytes) -> dict[str, FedSeries]:
    """All series of gretl's `fedstl` database: an index in text, and all values after one another as floats."""
    files = _deb_files(package)
    index = files["./usr/share/gretl/db/fedstl.idx"].decode("latin-1").splitlines()
    data = files["./usr/share/gretl/db/fedstl.bin"]
    lines = [line for line in index if not line.startswith("#")]
    found, at = {}, 0
    for head, shape in zip(lines[::2], lines[1::2], strict=True):
        name, description = head.split(maxsplit=1)
        match = re.fullmatch(r"([AQM])\s+(\d{4})(?:\.(\d+))? - \S+\s+n = (\d+)", shape.strip())
        if match is None:
            raise SourceError(f"fedstl.idx: cannot read {shape!r}")
        frequency, year, part, count = match[1], int(match[2]), int(match[3] or 1), int(match[4])
        month = 3 * part - 2 if frequency == "Q" else part
        numbers = struct.unpack_from(f"<{count}f", data, at)
        at += 4 * count
        values = tuple(FLOAT_DIGITS.create_decimal_from_float(n) for n in numbers)
        found[name] = FedSeries(description, frequency, date(year, month, 1), values)
    if at != len(data):
        raise SourceError("fedstl.bin does not have the length its index says")
    return found


def _deb_files(package: bytes) -> dict[str, bytes]:
    """Regular files of a Debian package: an `ar` archive with a tar archive in it."""
    at = 8
    while at < len(package):
        name, size = package[at : at + 16].decode().strip().rstrip("/"), int(package[at + 48 : at + 58])
        body = package[at + 60 : at + 60 + size]
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                members = [m for m in archive.getmembers() if m.isfile()]
                return {m.name: _read(archive, m) for m in members}
        at += 60 + size + size % 2
    raise SourceError("the package has no data archive")


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo | str) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise SourceError(f"{member} is not a file")
    return file.read()


def sp500(wheel: bytes) -> dict[date, Decimal]:
    """Closes of the S&P 500 by day, 1990 to 2022."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        text = gzip.decompress(archive.read("skfolio/datasets/data/sp500_index.csv.gz")).decode()
    return {date.fromisoformat(row["Date"]): Decimal(row["SP500"]) for row in csv.DictReader(io.StringIO(text))}


def treasury_yields(sdist: bytes, series: str) -> dict[date, Decimal]:
    """A daily yield such as DGS7, in percent, out of the recorded answers of the St. Louis Fed's API."""
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        name = next(n for n in archive.getnames() if n.endswith("test_fred_yield_curve_fetcher_urllib3_v2.yaml"))
        text = _read(archive, name).decode()
    for request in text.split("\n- request:"):
        if "/observations?" in request and request.partition("\n  response:")[0].rstrip().endswith(
            f"series_id={series}"
        ):
            body = re.search(r"!!binary \|\n((?:\s+[A-Za-z0-9+/=]+\n)+)", request)
            if body is not None:
                found = json.loads(gzip.decompress(base64.b64decode(re.sub(r"\s", "", body[1]))))
                rows = found["observations"]
                return {date.fromisoformat(r["date"]): Decimal(r["value"]) for r in rows if r["value"] != "."}
    raise SourceError(f"no recorded answer for {series}")


def apple_closes(wheel: bytes) -> dict[date, Decimal]:
    """Closes of AAPL adjusted for splits only, 2019 to 2024."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        text = archive.read("hvsampledata/_data/apple_stocks.csv").decode()
    return {date.fromisoformat(row["date"]): Decimal(row["close"]) for row in csv.DictReader(io.StringIO(text))}


def wiki_closes(wheel: bytes, symbol: str) -> dict[date, Decimal]:
    """Closes adjusted for splits and dividends, 2000-03-01 to 2013-03-01."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        text = gzip.decompress(archive.read("bokeh_sampledata/_data/stocks.csv.gz")).decode()
    rows = (row for row in csv.DictReader(io.StringIO(text)) if row["Ticker"] == symbol)
    return {date.fromisoformat(row["Date"]): Decimal(row["Adj Close"]) for row in rows}
