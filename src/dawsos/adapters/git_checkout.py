"""Makes checkouts of commits that nobody edits, and holds them to the content of the commit.

Steps run in a checkout, so what its own ``.git`` says proves nothing: its index may call an altered file unchanged, its settings and
its lists of ignored files may hide others.  Each comparison is therefore made with an index and settings of this tool, which are
made for it alone, and every object is checked by its hash.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dawsos.adapters.git import GITLINK, below_top, call, is_repository, submodules, top
from dawsos.adapters.scratch import owned_folder
from dawsos.errors import BadInput, InfrastructureError

# The user's global ignore file does not belong to the project.
_OWN_IGNORES = ("-c", "core.excludesFile=/dev/null")
# As ``git lfs install`` writes them.
_LFS = (
    "-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.smudge=git-lfs smudge -- %f",
    "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true",
)  # fmt: skip
_SHA1 = 40
Git = Callable[..., str]


def checkout(root: Path, sha: str, target: Path, *, keep_untracked: bool = False) -> Path:
    """Check commit ``sha`` out into ``target`` (kept when it is there, its files made those of the commit) and return it.

    Of what else lies in a kept one, ignored files stay, which are the caches of tools; the rest only if ``keep_untracked``.

    It is a repository of its own that borrows the objects of ``root``: tools that ask git for a version get one, and
    tools that read the ignore files of every folder above stop here, instead of ignoring all of what is to be checked
    because it lies in a folder that the project ignores.
    """
    whole = Path(top(root))
    prefix = below_top(root)
    if target.exists():
        if changed_files(target, sha):
            # A step of an earlier run overwrote it.
            put_back(target, sha)
        _fill_submodules(whole, sha, target)
        if not keep_untracked:
            _clean(target, sha, target.parent)
        return target / prefix
    with owned_folder(target.parent, target.name + ".") as temporary:
        _fill(whole, sha, temporary)
        temporary.chmod(0o755)
        temporary.rename(target)
    return target / prefix


def changed_files(target: Path, sha: str) -> tuple[str, ...]:
    """Return the paths, from the top of the checkout ``target``, of tracked files and submodules that are not as in commit ``sha``.

    Raises InfrastructureError when the objects there are not those of the commit, BadInput when git cannot read them.
    """
    return _changed(target, sha, target.parent)


def put_back(target: Path, sha: str) -> None:
    """Restore the tracked files of the checkout ``target``, and of its submodules, to commit ``sha``; other files stay.

    Raises InfrastructureError when that is not possible.
    """
    _put_back(target, sha, target.parent)
    if left := changed_files(target, sha):
        raise InfrastructureError(
            f"{target / left[0]} cannot be made that of the commit", fix=f"rm -rf {target}, and start again"
        )


def untracked_files(target: Path, sha: str, folder: Path, names: Collection[str] = ()) -> tuple[str, ...]:
    """Return the paths, from the top of the checkout ``target``, of files below its ``folder`` that commit ``sha`` neither has nor
    ignores; with ``names`` only of files that are called so.

    A list of ignored files that the commit does not have does not count.
    """
    with _reading(target, sha, target.parent) as git:
        out = git("ls-files", "-z", "--others", "--", folder.relative_to(target).as_posix())
        every = [path for path in _names(out) if not names or Path(path).name in names]
        ignored = _ignored(git, every)
    return tuple(path for path in every if path not in ignored)


def committed_files(target: Path, sha: str, folder: Path) -> tuple[str, ...]:
    """Return the files and links of commit ``sha`` below ``folder`` of the checkout ``target``, from that folder, those of submodules
    too: not what the checkout's own index names, into which a step can put others.
    """
    below = folder.relative_to(target).as_posix()
    prefix = "" if below == "." else f"{below}/"
    every = _committed(target, sha, target.parent)
    return tuple(sorted(name.removeprefix(prefix) for name in every if name.startswith(prefix)))


def _committed(target: Path, sha: str, scratch: Path) -> list[str]:
    with _reading(target, sha, scratch) as git:
        names, inner = _names(git("ls-files", "-z")), _submodules(git, sha)
    found = [name for name in names if name not in inner]
    for path, commit in inner.items():
        if is_repository(target / path):
            found += [f"{path}/{name}" for name in _committed(target / path, commit, scratch)]
    return found


def _ignored(git: Git, paths: Sequence[str]) -> set[str]:
    """Return those of ``paths`` that a list of the commit ignores."""
    if not paths:
        return set()
    tracked = set(_names(git("ls-files", "-z", "--", ":(glob)**/.gitignore")))
    # Four fields for each path: the list that names it, the line, the pattern, the path.
    told = git(
        *_OWN_IGNORES, "check-ignore", "--verbose", "--non-matching", "--no-index", "-z", "--stdin",
        text_input="".join(f"{path}\0" for path in paths), accept=(0, 1),
    ).split("\0")  # fmt: skip
    fields = zip(told[0::4], told[2::4], told[3::4], strict=False)
    return {path for source, pattern, path in fields if source in tracked and not pattern.startswith("!")}


def _names(out: str) -> tuple[str, ...]:
    return tuple(path for path in out.split("\0") if path)


@contextmanager
def _reading(target: Path, sha: str, scratch: Path) -> Iterator[Git]:
    """Give git over the files of ``target`` and the objects of its repository, with an index of commit ``sha`` and settings of its
    own, which lie below ``scratch`` meanwhile."""
    with owned_folder(scratch, "index-") as own:
        (own / "objects" / "info").mkdir(parents=True)
        (own / "refs").mkdir()
        (own / "objects" / "info" / "alternates").write_text(f"{target / '.git' / 'objects'}\n")
        (own / "HEAD").write_text(f"{sha}\n")
        if len(sha) > _SHA1:
            settings = "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
            (own / "config").write_text(settings)
        if (target / ".git" / "shallow").is_file():
            shutil.copy(target / ".git" / "shallow", own / "shallow")
        lfs = _lfs_settings(target)

        def git(*arguments: str, text_input: str | None = None, accept: tuple[int, ...] = (0,)) -> str:
            place = ("--git-dir", str(own), "--work-tree", str(target), "--no-replace-objects")
            return call(target, *place, *lfs, *arguments, text_input=text_input, accept=accept)

        git("read-tree", sha)
        _must_be(sha, git)
        yield git


def _lfs_settings(target: Path) -> tuple[str, ...]:
    """Return the settings of Git LFS where ``_take_lfs`` gave its objects to a checkout; never a program that a step named."""
    try:
        settings = (target / ".git" / "config").read_text(errors="replace")
    except OSError:
        return ()
    named = [line.partition("=")[2].strip() for line in settings.splitlines() if line.strip().startswith("storage =")]
    return (*_LFS, "-c", f"lfs.storage={named[0]}") if "[lfs]" in settings and named else ()


def _must_be(sha: str, git: Git) -> None:
    """Raise InfrastructureError unless the index is that of the commit ``sha``, by the hashes of the commit and its trees.

    Those of files are computed from their content when they are compared.
    """
    body = git("cat-file", "commit", sha).encode(errors="surrogateescape")
    kind = hashlib.sha256 if len(sha) > _SHA1 else hashlib.sha1
    found = kind(b"commit %d\0" % len(body) + body).hexdigest()
    tree = body.partition(b"\n")[0].removeprefix(b"tree ").decode()
    if found != sha or git("write-tree", "--missing-ok").strip() != tree:
        raise InfrastructureError(
            f"the repository has other objects under the names of commit {sha[:12]}",
            fix="git fsck tells which; fetch the repository anew",
        )


def _changed(target: Path, sha: str, scratch: Path) -> tuple[str, ...]:
    with _reading(target, sha, scratch) as git:
        # Of a submodule git compares the commit here; its files are compared below.
        found = set(_names(git(
            "diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=dirty",
            sha, "--",
        )))  # fmt: skip
        inner = _submodules(git, sha)
    for path, commit in inner.items():
        place = target / path
        if is_repository(place):
            altered = path not in found and bool(_changed(place, commit, scratch))
        else:
            # One that was not fetched is an empty folder.
            altered = place.is_dir() and any(place.iterdir())
        if altered:
            found.add(path)
    return tuple(sorted(found))


def _submodules(git: Git, sha: str) -> dict[str, str]:
    entries = [entry.partition("\t") for entry in git("ls-tree", "-r", "-z", sha).split("\0")]
    return {path: meta.split()[2] for meta, _, path in entries if meta.startswith(GITLINK)}


def _put_back(target: Path, sha: str, scratch: Path) -> None:
    with _reading(target, sha, scratch) as git:
        git("checkout", "--quiet", "--force", "--detach", sha)
        inner = _submodules(git, sha)
    # Steps may ask git for a version: its own index is made anew, without what a step wrote into it.
    for name in ("index", "info/exclude", "info/attributes"):
        (target / ".git" / name).unlink(missing_ok=True)
    place = ("--git-dir", str(target / ".git"), "--work-tree", str(target))
    call(target, *place, "checkout", "--quiet", "--force", "--detach", sha)
    for path, commit in inner.items():
        if is_repository(target / path):
            _put_back(target / path, commit, scratch)


def _clean(target: Path, sha: str, scratch: Path) -> None:
    """Remove what neither the commit ``sha`` nor an ignore file of it knows, also within submodules."""
    with _reading(target, sha, scratch) as git:
        # One beside files of the commit hides others; one in a folder of its own is that of a tool's cache.
        with_files = {Path(name).parent for name in _names(git("ls-files", "-z"))}
        for name in _names(git("ls-files", "-z", "--others", "--", ":(glob)**/.gitignore")):
            if Path(name).parent in with_files:
                (target / name).unlink(missing_ok=True)
        git(*_OWN_IGNORES, "clean", "-ffd", "--quiet")
        inner = _submodules(git, sha)
    for path, commit in inner.items():
        if is_repository(target / path):
            _clean(target / path, commit, scratch)


def _fill(source: Path, sha: str, folder: Path) -> None:
    """Make the empty ``folder`` a repository that borrows the objects of ``source``, with the files of commit ``sha``.

    So are its submodules that are here with the commit that ``sha`` names; the folder of another one stays empty, as git has it.
    """
    shared = (source / call(source, "rev-parse", "--git-common-dir").strip()).resolve()
    call(folder, "init", "--quiet", "--template=", f"--object-format={_object_format(source)}")
    # Not a clone: one of a shallow repository, or of a commit that no branch has, would lack the commit.
    (folder / ".git" / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{shared / 'objects'}\n")
    if (shared / "shallow").exists():
        shutil.copy(shared / "shallow", folder / ".git" / "shallow")
    _take_lfs(source, shared, folder)
    tags = call(source, "for-each-ref", "--format=create %(refname) %(objectname)", "refs/tags")
    call(folder, "update-ref", "--stdin", text_input=tags)
    call(folder, "checkout", "--quiet", "--force", "--detach", sha)
    _fill_submodules(source, sha, folder)


def _fill_submodules(source: Path, sha: str, folder: Path) -> None:
    """Put the submodules that ``source`` has by now into ``folder``, a checkout of its commit ``sha``."""
    for path, commit in submodules(folder, sha).items():
        if is_repository(source / path) and _has(source / path, commit):
            if is_repository(folder / path):
                _fill_submodules(source / path, commit, folder / path)
            else:
                _fill(source / path, commit, folder / path)


def _take_lfs(source: Path, shared: Path, folder: Path) -> None:
    """Let Git LFS find in ``folder`` what it has for ``source``, whose own settings may be the only ones that name its filter."""
    if not (shared / "lfs").is_dir():
        return
    found = call(source, "config", "--null", "--list").split("\0")
    settings = [setting.partition("\n") for setting in found if setting.startswith("filter.lfs.")]
    for name, _, value in (*settings, ("lfs.storage", "", str(shared / "lfs"))):
        call(folder, "config", name, value)


def _has(root: Path, sha: str) -> bool:
    try:
        call(root, "cat-file", "-e", f"{sha}^{{commit}}")
    except BadInput:
        return False
    return True


def _object_format(top: Path) -> str:
    return call(top, "rev-parse", "--show-object-format").strip()
