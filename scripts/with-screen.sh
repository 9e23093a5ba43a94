#!/bin/sh
# Run a command on the display there is, else on a virtual one; with neither, as it is: the tests of the window then skip.
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || ! command -v xvfb-run >/dev/null 2>&1; then
    exec "$@"
fi
exec xvfb-run -a -s "-screen 0 1600x1000x24" "$@"
