#!/bin/bash
# README.md's C program, as it stands there, against the library as it is installed and as it lies in the build folder,
# and the installed command; none of them with help from LD_LIBRARY_PATH. And the canonical digest that README.md
# states.
#     test_readme.sh SOURCE_ROOT BUILD_ROOT
set -euo pipefail
root=$1 build=$2
unset LD_LIBRARY_PATH
digest=$(grep -oE '[0-9a-f]{64}' "$root/src/verify/training.c")
grep -q "^    $digest\$" "$root/README.md" || { echo "README.md does not state the canonical digest $digest"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name tassello.pc)
prefix=$work/root$(sed -n 's/^prefix=//p' "$pc")
awk '/^```c$/ {on = 1; next} /^```$/ {on = 0} on' "$root/README.md" >"$work/xor.c"

# check_xor NAME FLAG...: builds xor.c with pkg-config's flags, as README.md has it, and runs it.
check_xor() {
    local name=$1
    shift
    cc -std=c11 -Wall -Wextra -Werror "$work/xor.c" "$@" -o "$work/$name"
    "$work/$name" | tee "$work/$name.out"
    diff <(tail -4 "$work/$name.out") <(printf '0 xor 0 = 0\n0 xor 1 = 1\n1 xor 0 = 1\n1 xor 1 = 0\n')
}
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$pc")
# shellcheck disable=SC2046
check_xor installed $(pkg-config --define-variable=prefix="$prefix" --cflags --libs tassello)
PKG_CONFIG_PATH=$build/meson-uninstalled
# shellcheck disable=SC2046
check_xor uninstalled $(pkg-config --cflags --libs tassello)
"$prefix/bin/tassello" --version
for page in man1/tassello.1 man5/tassello-network.5; do
    [ -s "$prefix/share/man/$page" ] || { echo "$page is not installed"; exit 1; }
done
