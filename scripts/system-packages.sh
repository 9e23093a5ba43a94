#!/bin/sh
# Install what Qt and OpenGL need of the system and is not there: on Debian and its like, with apt.
# Elsewhere, or without the right to install, say what is missing and go on: the analysis itself needs none of it.
set -u
packages="xvfb xauth python3-venv libgl1 libegl1 libopengl0 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0
libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
libxcb-xinerama0 libdbus-1-3 libfontconfig1 libglib2.0-0"

command -v dpkg-query >/dev/null 2>&1 || exit 0
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' ||
        # Debian 13 and Ubuntu 24 renamed some libraries with a t64 at the end.
        dpkg-query -W -f '${Status}\n' "${package}t64" 2>/dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

run=""
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        run="sudo -n"
    else
        echo "Not installed, for want of the right to: $missing" >&2
        echo "The window needs them; ask for: sudo apt-get install$missing" >&2
        exit 0
    fi
fi
echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
# shellcheck disable=SC2086
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    echo "Some system packages could not be installed; the window may not open." >&2
exit 0
