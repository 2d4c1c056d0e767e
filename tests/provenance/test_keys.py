"""The key is made once, stays private, and keys of other machines can be believed."""

from __future__ import annotations

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dawsos.errors import InfrastructureError
from dawsos.provenance.keys import LocalKeyring, local_signer


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first, second = local_signer(tmp_path / "keys"), local_signer(tmp_path / "keys")
    assert first.key_id == second.key_id
    assert stat.S_IMODE((tmp_path / "keys" / "signing.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_many_that_start_at_once_use_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _: local_signer(tmp_path), range(16)))
    assert len({signer.key_id for signer in signers}) == 1
    assert LocalKeyring(tmp_path).knows(signers[0].key_id)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    local_signer(tmp_path)
    (tmp_path / "signing.pem").chmod(0o640)
    with pytest.raises(InfrastructureError, match="may be read by others"):
        local_signer(tmp_path)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    local_signer(tmp_path)
    (tmp_path / "signing.pem").write_text("no key")
    with pytest.raises(InfrastructureError, match=r"signing\.pem"):
        local_signer(tmp_path)


def test_a_signature_holds_only_for_its_message(tmp_path: Path) -> None:
    signer = local_signer(tmp_path)
    keyring = LocalKeyring(tmp_path)
    assert keyring.verifies(signer.key_id, signer.sign(b"release"), b"release")
    assert not keyring.verifies(signer.key_id, signer.sign(b"release"), b"other")


def test_another_machine_s_public_key_is_believed_once_it_lies_here(tmp_path: Path) -> None:
    there = local_signer(tmp_path / "there")
    (tmp_path / "here").mkdir()
    assert not LocalKeyring(tmp_path / "here").knows(there.key_id)
    for public in (tmp_path / "there").glob("*.pub"):
        shutil.copy(public, tmp_path / "here")
    assert LocalKeyring(tmp_path / "here").knows(there.key_id)


def test_a_certified_key_is_believed_beside_those_that_lie_here(tmp_path: Path) -> None:
    here, there = local_signer(tmp_path / "here"), local_signer(tmp_path / "there")
    keyring = LocalKeyring(tmp_path / "here", there.public_key)
    assert keyring.knows(here.key_id)
    assert keyring.verifies(there.key_id, there.sign(b"release"), b"release")
    assert not LocalKeyring(tmp_path / "here").knows(there.key_id)
    with pytest.raises(InfrastructureError, match="cannot read the certified public key"):
        LocalKeyring(tmp_path / "here", b"no key")


def test_a_public_key_that_was_half_written_is_written_again(tmp_path: Path) -> None:
    signer = local_signer(tmp_path)
    (public,) = tmp_path.glob("*.pub")
    public.write_bytes(b"")
    assert local_signer(tmp_path).key_id == signer.key_id
    assert LocalKeyring(tmp_path).knows(signer.key_id)
