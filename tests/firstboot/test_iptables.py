"""Which iptables the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from firstboot.iptables import is_legacy


@pytest.mark.parametrize("family", [4, 6])
def test_the_legacy_iptables_is_known_by_where_its_name_leads(tmp_path: Path, family: int) -> None:
    name = "iptables-restore" if family == 4 else "ip6tables-restore"
    assert not is_legacy(family, tmp_path)
    for backend in ("legacy", "nft"):
        (tmp_path / f"xtables-{backend}-multi").touch()
    (tmp_path / "alternative").symlink_to("xtables-nft-multi")
    (tmp_path / name).symlink_to(tmp_path / "alternative")
    assert not is_legacy(family, tmp_path)
    (tmp_path / "alternative").unlink()
    (tmp_path / "alternative").symlink_to("xtables-legacy-multi")
    assert is_legacy(family, tmp_path)
    (tmp_path / "xtables-nft-multi").unlink()
    assert is_legacy(family, tmp_path)
