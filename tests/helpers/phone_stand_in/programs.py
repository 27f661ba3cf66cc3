"""The device's own programs, as scripts in ROOT/system/bin; their answers are files."""

import sys
from pathlib import Path

_HEAD = '#!/bin/sh\ntold="$STAND_IN_ROOT/stand_in"\n'

_SCRIPTS = {
    "getprop": r"""
[ $# -eq 0 ] && exec cat "$told/getprop"
awk -v name="[$1]: [" '
  index($0, name) == 1 {
    text = substr($0, length(name) + 1); sub(/\][\r]?$/, "", text); print text; found = 1
  }
  END { if (!found) print "" }' "$told/getprop"
""",
    "dumpsys": r"""
case "$1" in
battery) exec cat "$told/battery" ;;
power) exec cat "$told/power" ;;
android.hardware.power.stats.IPowerStats/default)
  [ -f "$told/meter.json" ] || { echo "Can't find service: $1"; exit 0; }
  exec "$STAND_IN_ROOT/system/bin/stand-in-meter" ;;
thermalservice) ;;
*) echo "Can't find service: $1"; exit 0 ;;
esac
[ -f "$told/throttle" ] || exec cat "$told/thermalservice"
looks=$(($(cat "$told/looks" 2>/dev/null || echo 0) + 1))
echo "$looks" > "$told/looks"
read -r cool hot < "$told/throttle"
[ "$looks" -gt "$cool" ] && [ "$looks" -le $((cool + hot)) ] &&
  exec cat "$told/thermalservice.hot"
exec cat "$told/thermalservice"
""",
    "settings": r"""
[ "$1" = get ] || exit 1
sed -n "s/^$3=//p" "$told/settings" | grep . || echo null
""",
    # This machine has other cores: the mask is recorded, and not applied.
    "taskset": r"""
[ $# -ge 2 ] || { echo "taskset: Need 2 arguments" >&2; exit 1; }
echo "$1" >> "$told/taskset"
export STAND_IN_MASK="$1"
shift
exec "$@"
""",
    "df": r"""
echo "Filesystem      1K-blocks     Used Available Use% Mounted on"
used=$((113449984 - STAND_IN_FREE_KB))
echo "/dev/block/dm-9 113449984 $used $STAND_IN_FREE_KB  40% /data/user/0"
""",
    "pm": r"""
[ "$1" = path ] && [ $# -eq 2 ] || { echo "Error: unknown command '$1'" >&2; exit 255; }
[ -f "$told/packages/$2" ] || exit 1
echo "package:$STAND_IN_ROOT/data/app/$2-1/base.apk"
""",
    # Messages of Android 8 and later. A copy may fail for lack of space, half written.
    "run-as": r"""
package=$1
shift
[ -f "$told/packages/$package" ] || { echo "run-as: unknown package: $package" >&2; exit 1; }
read -r kind < "$told/packages/$package"
[ "$kind" = debug ] || { echo "run-as: package not debuggable: $package" >&2; exit 1; }
cd "$STAND_IN_ROOT/data/data/$package" || exit 1
if [ "$1" = cp ] && [ -n "$STAND_IN_APP_FULL" ]; then
  head -c 1000 "$2" > "$3"
  echo "cp: xwrite: No space left on device" >&2
  exit 1
fi
exec "$@"
""",
    "pidof": r"""
[ "$1" = -s ] && shift
[ "$1" = squeezebertmobile.app ] && cat "$told/app.pid" 2>/dev/null
""",
}

# Tests may run as root, who ignores permissions.
_DENIED = r"""
if [ -n "$STAND_IN_DENIED" ]; then
  for each; do
    case "$each/" in
    "$STAND_IN_ROOT$STAND_IN_DENIED/"*)
      echo "{name}: '$each': Permission denied" >&2
      exit 1 ;;
    esac
  done
fi
PATH=${{PATH#*:}}
exec {name} "$@"
"""


def write(root: Path) -> None:
    """Write the programs."""
    folder = root / "system/bin"
    folder.mkdir(parents=True, exist_ok=True)
    scripts = {name: _HEAD + text for name, text in _SCRIPTS.items()}
    scripts |= {name: _HEAD + _DENIED.format(name=name) for name in ("mkdir", "touch")}
    for name, file in (("app_process", "app_process"), ("am", "am"), ("stand-in-meter", "meter")):
        source = Path(__file__).with_name(f"{file}.py").read_text(encoding="utf-8")
        scripts[name] = f"#!{sys.executable} -IS\n{source}"
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
