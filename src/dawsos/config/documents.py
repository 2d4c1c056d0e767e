"""YAML as plain values with the line of every place in it: pipeline.yaml, and manifests of other tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dawsos.errors import BadInput

Path = tuple[str | int, ...]


def parse(text: str, path: str) -> CommentedMap:
    """Return the one mapping that ``text`` is; raises BadInput, with the line, when it is something else."""
    documents = _documents(text, path)
    if not documents or documents[0] is None:
        raise BadInput(f"{path}: the file is empty", fix="write a pipeline: docs/pipeline-yaml.md")
    if len(documents) > 1 or not isinstance(documents[0], CommentedMap):
        raise BadInput(f"{path}: expected one mapping of keys", fix="start with version, name, stages ...")
    return documents[0]


def _documents(text: str, path: str) -> list[Any]:
    """Return the documents of ``text``; raises BadInput, with the line, when it is not YAML."""
    try:
        return list(YAML(typ="rt", pure=True).load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        problem = " ".join(str(error.problem or error.context).split())
        raise BadInput(
            f"{where}: not valid YAML: {problem}", fix="check the indentation, use spaces, write each key once"
        ) from error
    except YAMLError as error:
        raise BadInput(
            f"{path}: not valid YAML: {' '.join(str(error).split())}", fix="check the file's syntax"
        ) from error
    except RecursionError:
        # Without the hundreds of places in which it happened.
        raise BadInput(f"{path}: lists or mappings lie too deep within one another", fix="write it flatter") from None


def is_version_1(document: Mapping[str, Any]) -> bool:
    """Return whether a pipeline file says that it is of version 1."""
    version = document.get("version")
    # True equals 1, and is no version.
    return type(version) is not bool and version == 1


def plain(value: Any) -> Any:
    """Return ruamel's annotated values as plain Python ones."""
    if isinstance(value, CommentedMap):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, CommentedSeq):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else value


def line_of(document: CommentedMap, place: Path) -> int:
    """Return the line (from 1) of the deepest part of ``place`` that is in the document."""
    line = 1
    current: Any = document
    for part in place:
        try:
            if isinstance(current, CommentedMap):
                line = current.lc.key(part)[0] + 1
                current = current[part]
            elif isinstance(current, CommentedSeq) and isinstance(part, int):
                line = current.lc.item(part)[0] + 1
                current = current[part]
            else:
                break
        except (KeyError, IndexError, TypeError):
            break
    return line


class Documents:
    """The mappings of one file, in order."""

    def __init__(self, text: str, path: str) -> None:
        """Raises BadInput, with the line, when ``text`` is not YAML or holds no mapping."""
        self._maps = [document for document in _documents(text, path) if isinstance(document, CommentedMap)]
        if not self._maps:
            raise BadInput(f"{path}: there is no mapping in this file", fix="give a Kubernetes manifest")

    @property
    def values(self) -> list[dict[str, Any]]:
        return [plain(document) for document in self._maps]

    def line(self, place: Path) -> int:
        """Return the line (from 1) of ``place``, whose first part is the number of the document."""
        number, *rest = place
        return line_of(self._maps[int(number)], tuple(rest))
