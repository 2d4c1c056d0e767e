"""The settings of the last opening are kept, and forgotten with the environment."""

from __future__ import annotations

from pathlib import Path

from dawsos.platforms.remembered import forget, kept_on, kept_settings, remember


def test_the_settings_of_the_last_opening_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "production"
    assert kept_settings(folder) is None
    remember(folder, {"context": "c"})
    remember(folder, {"context": "d"})
    assert kept_settings(folder) == {"context": "d"}
    assert (folder / "cluster.json").stat().st_mode & 0o077 == 0


def test_an_environment_may_be_here_on_a_cluster_or_on_both(tmp_path: Path) -> None:
    assert kept_on(tmp_path) == ("local",)
    remember(tmp_path, {"context": "c"})
    assert kept_on(tmp_path) == ("kubernetes",)
    (tmp_path / "desired.json").touch()
    assert kept_on(tmp_path) == ("local", "kubernetes")
    forget(tmp_path)
    forget(tmp_path)
    assert kept_on(tmp_path) == ("local",)
