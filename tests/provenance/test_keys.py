"""The key is made once, stays private, and keys of other machines can be believed."""

from __future__ import annotations

import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dawsos.errors import BadInput, InfrastructureError
from dawsos.provenance.keys import LocalKeyring, given_signer, key_id_of, local_signer, trusted_keys


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


def test_a_key_in_a_variable_is_the_same_key_as_pem_and_as_one_line(tmp_path: Path) -> None:
    """GitLab masks a variable of one line only."""
    local = local_signer(tmp_path)
    pem = (tmp_path / "signing.pem").read_text()
    one_line = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    assert given_signer(pem).key_id == given_signer(f" {one_line}\n").key_id == local.key_id


@pytest.mark.parametrize(
    "text", ["secret words", "c2VjcmV0", "-----BEGIN " + "PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----"]
)
def test_a_variable_without_such_a_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(BadInput, match="DAWSOS_SIGNING_KEY does not hold a private ed25519 key") as refused:
        given_signer(text)
    assert "secret" not in str(refused.value)
    assert "c2Vj" not in str(refused.value)


def test_public_keys_are_named_by_text_file_and_folder(tmp_path: Path) -> None:
    signers = [local_signer(tmp_path / name) for name in ("a", "b")]
    files = [next((tmp_path / name).glob("*.pub")) for name in ("a", "b")]
    root, home = tmp_path / "repository", tmp_path / "repository" / ".dawsos"
    both = "".join(path.read_text() for path in files)
    for named in (both, f"{files[0]}:{files[1]}", f"{tmp_path / 'a'}: {files[1]} :"):
        found = LocalKeyring(tmp_path / "none", given=trusted_keys(named, root, home))
        assert all(found.knows(signer.key_id) for signer in signers)
    assert key_id_of(files[0].read_bytes()) == signers[0].key_id


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("repository/keys", "lies in the repository"), ("repository/../repository/keys/x.pub", "lies in the repository"),
        ("nothing", "cannot read"), ("empty", "has no"), ("text", "does not hold public ed25519 keys"),
    ],
)  # fmt: skip
def test_what_names_no_key_is_told(named: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("repository/keys", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "text").write_text("no key")
    with pytest.raises(BadInput, match=words):
        trusted_keys(named, tmp_path / "repository", tmp_path / "repository" / ".dawsos")


def test_keys_in_the_home_within_the_repository_may_be_named(tmp_path: Path) -> None:
    signer = local_signer(tmp_path / ".dawsos" / "keys")
    (found,) = trusted_keys(str(tmp_path / ".dawsos" / "keys"), tmp_path, tmp_path / ".dawsos")
    assert LocalKeyring(tmp_path / "none", given=[found]).knows(signer.key_id)
