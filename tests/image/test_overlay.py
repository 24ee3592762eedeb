from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from appliance.errors import PermanentError
from image.recipe import PROJECT
from image.stages.overlay import copy_tree, silence_motd

OVERLAYS = PROJECT / "overlays"


def test_files_folders_and_links_arrive_with_gits_modes(tmp_path: Path) -> None:
    source, root = tmp_path / "overlay", tmp_path / "root"
    (source / "etc/deep").mkdir(parents=True)
    (source / "etc/file").write_text("new")
    (source / "etc/file").chmod(0o640)
    (source / "etc/deep/program").write_text("#!/bin/sh\n")
    (source / "etc/deep/program").chmod(0o700)
    (source / "etc/masked.service").symlink_to("/dev/null")
    (root / "etc").mkdir(parents=True)
    (root / "etc").chmod(0o750)
    (root / "etc/file").write_text("old")
    (root / "etc/masked.service").write_text("old")
    copy_tree(source, root)
    assert (root / "etc/file").read_text() == "new"
    assert (root / "etc/file").stat().st_mode & 0o7777 == 0o644
    assert (root / "etc/deep/program").stat().st_mode & 0o7777 == 0o755
    assert (root / "etc/deep").stat().st_mode & 0o7777 == 0o755
    assert (root / "etc/masked.service").readlink() == Path("/dev/null")
    assert (root / "etc").stat().st_mode & 0o7777 == 0o750, "a folder of the image's keeps its mode"


@pytest.mark.parametrize("link", ["usr/lib", "/usr/lib"])
def test_links_in_the_image_are_followed_inside_the_image(link: str, tmp_path: Path) -> None:
    source, root = tmp_path / "overlay", tmp_path / "root"
    (source / "lib/udev").mkdir(parents=True)
    (source / "lib/udev/rule").write_text("rule")
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to(link)
    copy_tree(source, root)
    assert (root / "usr/lib/udev/rule").read_text() == "rule"
    assert (root / "lib").is_symlink()


def test_links_do_not_lead_out_of_the_image(tmp_path: Path) -> None:
    source, root = tmp_path / "overlay", tmp_path / "root"
    (source / "lib").mkdir(parents=True)
    (source / "lib/file").write_text("escaped")
    (tmp_path / "outside").mkdir()
    root.mkdir()
    (root / "lib").symlink_to("../outside")
    with pytest.raises(PermanentError, match="leads out of the image"):
        copy_tree(source, root)
    assert not list((tmp_path / "outside").iterdir())


def test_whoever_logs_in_is_told_nothing_but_the_state(tmp_path: Path) -> None:
    """And what is the base's stays the base's: a changed content would be asked about at each upgrade."""
    silence_motd(tmp_path)
    script, elsewhere = tmp_path / "etc/update-motd.d/10-uname", tmp_path / "elsewhere"
    script.parent.mkdir(parents=True)
    for file in (script, elsewhere):
        file.write_text("#!/bin/sh\nuname -snrvm\n")
        file.chmod(0o755)
    script.with_name("link").symlink_to(elsewhere)
    silence_motd(tmp_path)
    assert (script.stat().st_mode & 0o7777, script.read_text()) == (0o644, "#!/bin/sh\nuname -snrvm\n")
    assert elsewhere.stat().st_mode & 0o7777 == 0o755
    assert (OVERLAYS / "base/etc/motd").read_bytes() == b""


def test_of_a_changed_appliance_yaml_only_the_daemon_takes_notice() -> None:
    """The package's path unit may start a daemon that does not run, and nothing else."""
    units = [path for path in OVERLAYS.rglob("*") if path.suffix in (".path", ".service") and path.is_file()]
    watching = [path for path in units if path.suffix == ".path" or "reload appliance" in path.read_text()]
    assert [path.relative_to(OVERLAYS).parts[0] for path in watching] == ["package"]
    commands = [line for line in watching[0].with_suffix(".service").read_text().splitlines() if "Exec" in line]
    assert commands == ["ExecStart=/usr/bin/systemctl start appliance.service"]


@pytest.mark.programs
@pytest.mark.parametrize("left", [{}, {"new-host-key": "half", "new-host-key.pub": ""}, {"ssh_host_ed25519_key": ""}])
def test_the_host_key_is_a_whole_one_whatever_a_power_cut_has_left(tmp_path: Path, left: dict[str, str]) -> None:
    unit = (OVERLAYS / "base/usr/lib/systemd/system/appliance-host-keys.service").read_text()
    [command] = re.findall(r"^ExecStart=/bin/sh -ec '(.*?)'$", unit, re.MULTILINE | re.DOTALL)
    for name, content in left.items():
        (tmp_path / name).write_text(content)
    subprocess.run(["/bin/sh", "-ec", command.replace("\\\n", "")], cwd=tmp_path, check=True)
    key = tmp_path / "ssh_host_ed25519_key"
    assert sorted(path.name for path in tmp_path.iterdir()) == [key.name, f"{key.name}.pub"]
    assert key.stat().st_mode & 0o777 == 0o600
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout
    assert public.split()[:2] == key.with_suffix(".pub").read_text().split()[:2]


def test_no_other_host_key_is_made_or_asked_for() -> None:
    etc = OVERLAYS / "base/etc"
    for unit in ("sshd-keygen.service", "regenerate_ssh_host_keys.service"):
        assert (etc / "systemd/system" / unit).readlink() == Path("/dev/null")
    cloud = yaml.safe_load((etc / "cloud/cloud.cfg.d/90-appliance.cfg").read_text())
    assert (cloud["ssh_genkeytypes"], cloud["ssh_deletekeys"]) == (["ed25519"], False)
    said = (etc / "ssh/sshd_config.d/10-appliance.conf").read_text().splitlines()
    assert [line for line in said if line.startswith("HostKey")] == ["HostKey /etc/ssh/ssh_host_ed25519_key"]
