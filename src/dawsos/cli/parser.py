"""Parses a command line by the grammar into a verb and its values, a help text, or one error message with its fix."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from dawsos.cli.grammar import DESCRIPTION, EPILOG, VERBS, Parameter, Verb
from dawsos.errors import BadInput
from dawsos.model.names import did_you_mean

_HELP = ("-h", "--help")
_WIDEST = 100


class Call(NamedTuple):
    """A parsed command line: the verb with a value for each of its parameters."""

    verb: Verb
    values: dict[str, Any]


class Help(NamedTuple):
    """A text to print; ``requested`` is False when it is shown because the command line names no command."""

    text: str
    requested: bool


def parse(words: Sequence[str]) -> Call | Help:
    """Return what ``words`` (without the program's name) ask for; raises BadInput."""
    if not words or words[0] in _HELP:
        return Help(overview(VERBS), requested=bool(words))
    name, rest = words[0], list(words[1:])
    family = [verb for verb in VERBS if verb.name.startswith(f"{name} ")]
    if family:
        if not rest or rest[0] in _HELP:
            return Help(overview(family, name), requested=bool(rest))
        name, rest = f"{name} {rest[0]}", rest[1:]
    verb = next((verb for verb in VERBS if verb.name == name), None)
    if verb is None:
        raise BadInput(
            f"there is no command {name!r}{did_you_mean(name, [verb.name for verb in VERBS])}", fix="see dawsos --help"
        )
    parser = _parser(verb)
    if any(word in _HELP for word in rest):
        return Help(parser.format_help(), requested=True)
    values, unknown = parser.parse_known_intermixed_args(rest)
    if unknown:
        flags = [parameter.flag for parameter in verb.parameters if parameter.flag]
        parser.error(f"{unknown[0]!r} is not known{did_you_mean(unknown[0].partition('=')[0], flags)}")
    return Call(
        verb, {name: tuple(value) if isinstance(value, list) else value for name, value in vars(values).items()}
    )


def overview(verbs: Iterable[Verb], family: str = "") -> str:
    """Return the list of ``verbs``, each with one line, by group; ``family`` is the word they share."""
    prog = f"dawsos {family}".strip()
    width = _width()
    lines = [f"Usage: {prog} COMMAND [OPTIONS]", ""]
    lines += [] if family else [*textwrap.wrap(DESCRIPTION, width), ""]
    group = ""
    for verb in verbs:
        if verb.group != group:
            lines += [] if not group else [""]
            lines.append(f"{verb.group}:")
            group = verb.group
        lines += textwrap.wrap(
            verb.summary,
            width,
            initial_indent=f"  {verb.name.removeprefix(family).strip():18}",
            subsequent_indent=" " * 20,
        )
    lines += ["", f"`{prog} COMMAND --help` tells more.", "", *textwrap.wrap(EPILOG, width)]
    return "\n".join(lines) + "\n"


def _width() -> int:
    from shutil import get_terminal_size  # only help needs it

    return min(_WIDEST, get_terminal_size().columns - 2)


class _Parser(argparse.ArgumentParser):
    """Raises BadInput where argparse prints and exits."""

    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{self.prog.removeprefix('dawsos ')}: {message}", fix=f"see {self.prog} --help")


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_width())

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keep paragraphs apart, which argparse joins."""
        return "\n\n".join(
            textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent) for part in text.split("\n\n")
        )


def _parser(verb: Verb) -> argparse.ArgumentParser:
    arguments = [parameter for parameter in verb.parameters if not parameter.flag]
    shown = "".join(f" {_shown(one)}" for one in arguments)
    example = f"Example: {verb.example}" if verb.example else ""
    parser = _Parser(
        prog=f"dawsos {verb.name}",
        usage=f"dawsos {verb.name} [OPTIONS]{shown}",
        description="\n\n".join(part for part in (verb.help, verb.more, example) if part),
        epilog=EPILOG,
        formatter_class=_Formatter,
        add_help=False,
        allow_abbrev=False,
    )
    titled = parser.add_argument_group("Arguments")
    options = parser.add_argument_group("Options")
    for parameter in verb.parameters:
        if parameter.flag:
            options.add_argument(parameter.flag, dest=parameter.name, **_kind(parameter))
        else:
            titled.add_argument(parameter.name, metavar=parameter.metavar, **_kind(parameter))
    options.add_argument("--help", action="store_true", default=argparse.SUPPRESS, help="Show this text.")
    return parser


def _shown(argument: Parameter) -> str:
    if argument.repeated:
        return f"{argument.metavar} ..." if argument.required else f"[{argument.metavar} ...]"
    return argument.metavar if argument.required else f"[{argument.metavar}]"


def _kind(parameter: Parameter) -> dict[str, Any]:
    """Return argparse's keywords for ``parameter``; in a help text argparse takes a per cent sign for the start of a format."""
    text = parameter.help.replace("%", "%%")
    if not parameter.metavar:
        action = argparse.BooleanOptionalAction if parameter.default else "store_true"
        return {"action": action, "default": bool(parameter.default), "help": text}
    kind: dict[str, Any] = {"type": parameter.read, "help": text}
    if parameter.required:
        kind["help"] += " Required."
        if parameter.repeated:
            kind["nargs"] = "+"
        return kind | ({"required": True, "metavar": parameter.metavar} if parameter.flag else {})
    if parameter.default not in ("", None):
        kind["help"] += f" Default: {parameter.default}."
    if parameter.repeated:
        kind |= {"action": "append", "default": []} if parameter.flag else {"nargs": "*", "default": []}
    else:
        kind |= {"default": parameter.default} | ({} if parameter.flag else {"nargs": "?"})
    if parameter.alone is not None:
        kind |= {"nargs": "?", "const": parameter.alone}
    return kind | ({"metavar": parameter.metavar} if parameter.flag else {})
