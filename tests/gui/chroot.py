"""A Debian with a real Blender, to run windows in: found by LEXIS_GUI_CHROOT, or made where LEXIS_GUI=1 asks for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SUITE = "trixie"  # Blender 4.3.2 on Python 3.13
PACKAGES = ("blender", "python3", "python3-numpy", "xvfb", "xauth", "xdotool", "imagemagick", "libgl1", "libegl1",
            "libgl1-mesa-dri", "libglx-mesa0", "libegl-mesa0")
# Mounts live in a namespace of their own and vanish with the command: no later delete reaches the host through them.
ENTER = """
set -eu
mkdir -p "$ROOT/share" "$ROOT/proc" "$ROOT/dev/shm"
mount -t proc proc "$ROOT/proc"
mount --bind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
mount --bind "$SHARE" "$ROOT/share"
exec chroot "$ROOT" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
"""


class Unavailable(Exception):
    """Why there is no window here."""


def find() -> Path:
    """The chroot's folder; it is made, in two minutes and 1.3 GB, where LEXIS_GUI=1 and there is none."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise Unavailable("a chroot needs root on Linux")
    if named := os.environ.get("LEXIS_GUI_CHROOT"):
        if not (Path(named) / "usr" / "bin" / "blender").exists():
            raise Unavailable("LEXIS_GUI_CHROOT names no folder with a Blender in it")
        return Path(named)
    if os.environ.get("LEXIS_GUI") != "1":
        raise Unavailable("set LEXIS_GUI=1 to have a Debian with Blender set up (1.3 GB), or LEXIS_GUI_CHROOT to one")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lexis" / f"{SUITE}-blender"
    if not (folder / "usr" / "bin" / "blender").exists():
        _make(folder)
    return folder


def _make(folder: Path) -> None:
    if not shutil.which("debootstrap"):
        raise Unavailable("debootstrap is not installed")
    mirror = _mirror()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    install = (f"apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "
               f"{' '.join(PACKAGES)} && apt-get clean && rm -rf /var/lib/apt/lists/*")
    for command in (["debootstrap", "--variant=minbase", SUITE, str(folder), mirror],
                    ["cp", "/etc/resolv.conf", str(folder / "etc" / "resolv.conf")],
                    ["chroot", str(folder), "bash", "-ec", install]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Unavailable(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _mirror() -> str:
    """Debian's mirror as this machine's apt has it."""
    apt = Path("/etc/apt")
    for file in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list")),
                 *sorted((apt / "sources.list.d").glob("*.sources"))]:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if found := re.search(r"^[^#\n]*?(https?://\S+/debian)/?(?=\s|$)", text, re.MULTILINE):
            return found[1]
    raise Unavailable("apt names no Debian mirror")


def command(root: Path, share: Path, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """What to run, and with which environment, so that arguments run in the chroot with share visible as /share."""
    return (["unshare", "--mount", "--propagation", "private", "--", "bash", "-c", ENTER, "_", *arguments],
            {**os.environ, "ROOT": str(root), "SHARE": str(share)})
