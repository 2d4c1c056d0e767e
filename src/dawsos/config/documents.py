"""YAML files that are not ours: every document as plain values, and the line of a place in it."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dawsos.config.load import Path, line_of, plain
from dawsos.errors import BadInput


class Documents:
    """The mappings of one file, in order."""

    def __init__(self, text: str, path: str) -> None:
        """Raises BadInput, with the line, when ``text`` is not YAML or holds no mapping."""
        try:
            loaded = list(YAML(typ="rt", pure=True).load_all(text))
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{path}:{mark.line + 1}" if mark else path
            raise BadInput(f"{where}: not valid YAML: {error.problem}", fix="check the file's syntax") from error
        except YAMLError as error:
            raise BadInput(f"{path}: not valid YAML", fix="check the file's syntax") from error
        self._maps = [document for document in loaded if isinstance(document, CommentedMap)]
        if not self._maps:
            raise BadInput(f"{path}: there is no mapping in this file", fix="give a Kubernetes manifest")

    @property
    def values(self) -> list[dict[str, Any]]:
        return [plain(document) for document in self._maps]

    def line(self, place: Path) -> int:
        """Return the line (from 1) of ``place``, whose first part is the number of the document."""
        number, *rest = place
        return line_of(self._maps[int(number)], tuple(rest))
