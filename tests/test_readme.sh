#!/bin/bash
# The C program in README.md, as it stands there, against the installed library; and the canonical digest in it.
#     test_readme.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail
root=$1 build=$2
digest=$(grep -oE '[0-9a-f]{64}' "$root/src/verify/training.c")
grep -q "^    $digest\$" "$root/README.md" || { echo "README.md does not state the canonical digest $digest"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name tassello.pc)
prefix=$work/root$(sed -n 's/^prefix=//p' "$pc")
awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' "$root/README.md" >"$work/xor.c"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$pc")
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Werror "$work/xor.c" $(pkg-config --define-variable=prefix="$prefix" --cflags --libs tassello) -o "$work/xor"
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name 'libtassello.so.0')") "$work/xor" | tee "$work/out"
diff <(tail -4 "$work/out") <(printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n')
