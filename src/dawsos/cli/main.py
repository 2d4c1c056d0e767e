"""The one place where a command line becomes a call, and an error a message and an exit code.

Exit codes: 0 done; 1 a gate failed or a person said no; 2 bad input; 3 infrastructure; 4 rolled back;
75 waiting for an approval; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module

from dawsos.cli.output import is_workflow, neutral
from dawsos.cli.parser import Call, Help, parse
from dawsos.errors import EXIT_BAD_INPUT, EXIT_DONE, EXIT_INFRASTRUCTURE, DawsosError

_EXIT_STOPPED = 130


def main() -> None:
    """Run the command line and exit; every error ends here."""
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
    except Exception:  # the one boundary: a defect of the tool, shown with what a report needs
        import traceback  # only a defect needs it

        _say_error("this is a defect of dawsos; please report it with these lines:\n" + traceback.format_exc())
        code = EXIT_INFRASTRUCTURE
    sys.exit(code)


def run(words: list[str]) -> int:
    """Carry out the command line ``words`` and return its exit code."""
    parsed = parse(words)
    if isinstance(parsed, Help):
        sys.stdout.write(parsed.text)
        return EXIT_DONE if parsed.requested else EXIT_BAD_INPUT
    return _call(parsed)


def _call(parsed: Call) -> int:
    module, _, name = parsed.verb.run.partition(":")
    # Loaded here and not before: a verb pays for what it needs and for nothing else.
    function = getattr(import_module(f"dawsos.cli.{module}"), name)
    code: int | None = function(**parsed.values)
    return EXIT_DONE if code is None else code


def _say_error(text: str) -> None:
    text = f"dawsos: {text}\n"
    sys.stderr.write(neutral(text) if is_workflow() else text)


if __name__ == "__main__":
    main()
