"""The one place where a command line becomes a call, and an error a message and an exit code.

Exit codes: 0 done; 1 a gate failed or a person said no; 2 bad input; 3 infrastructure; 4 rolled back;
75 waiting for an approval; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from dawsos.cli.output import is_workflow, neutral, print_text, unwritten
from dawsos.cli.parser import Call, Help, parse
from dawsos.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INFRASTRUCTURE, DawsosError, refusal_of

_EXIT_STOPPED = 130


def main() -> None:
    """Run the command line and exit; every error ends here."""
    # Whoever starts it with these streams closed gets no words, and no defect.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - it is open until the end
    sys.stderr = sys.stderr or sys.stdout
    # The tool has no pydantic plugins, and searching for them reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    # Loading makes many objects and no garbage; to look for some again and again takes a tenth of the start.  What only the
    # collector can free is bounded by this number of objects, some hundred megabytes at the very most.
    gc.set_threshold(1_000_000, 20, 20)
    # The interpreter collects garbage once more at its end, in all that was loaded: a tenth of a short run, for nothing.
    atexit.register(gc.freeze)
    try:
        code = run(sys.argv[1:])
    except DawsosError as error:
        _say_error(str(error))
        code = error.exit_code
    except KeyboardInterrupt:
        _say_error("stopped; `dawsos resume` goes on from the first unfinished stage")
        code = _EXIT_STOPPED
    except BrokenPipeError:
        code = EXIT_DONE
    except Exception as error:  # the one boundary: a defect of the tool, shown with what a report needs
        _say_error((isinstance(error, OSError) and refusal_of(error)) or _defect())
        code = EXIT_INFRASTRUCTURE
    sys.exit(code)


def _defect() -> str:
    import traceback  # only a defect needs it

    return "this is a defect of dawsos; please report it with these lines:\n" + traceback.format_exc()


def _with_output(code: int, *, kept: bool = False) -> int:
    """Return the exit code of a verb that ended with ``code``: what it printed must have been written, unless it is ``kept``."""
    print_text("")
    if not (reason := unwritten()):
        return code
    _say_error(f"cannot write to standard output: {reason}")
    return code if kept else code or EXIT_INFRASTRUCTURE


def run(words: list[str]) -> int:
    """Carry out the command line ``words`` and return its exit code."""
    parsed = parse(words)
    if isinstance(parsed, Help):
        print_text(parsed.text)
        return _with_output(EXIT_DONE if parsed.requested else EXIT_BAD_INPUT)
    return _call(parsed)


def _call(parsed: Call) -> int:
    module, _, name = parsed.verb.run.partition(":")
    # Loaded here and not before: a verb pays for what it needs and for nothing else.
    function = getattr(import_module(f"dawsos.cli.{module}"), name)
    code: int | None = function(**parsed.values)
    # What a run did is in its journal and its report, whatever becomes of the lines about it.
    return _with_output(EXIT_DONE if code is None else code, kept=module == "running")


def _say_error(text: str) -> None:
    text = f"dawsos: {text}\n"
    with suppress(OSError):
        sys.stderr.write(neutral(text) if is_workflow() else text)


if __name__ == "__main__":
    main()
