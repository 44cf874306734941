#!/bin/bash
# Each public header compiles alone, as C11 and as C++, with every compiler that is here.
#
#     test_headers.sh [FOLDER]    the folder that holds tassello/*.h; include/ beside this one where none is named
set -euo pipefail

folder=${1:-$(dirname "$0")/../include}
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Werror)
headers=("$folder"/tassello/*.h)
count=0 failed=0

try() {
    local output
    count=$((count + 1))
    output=$("$@" 2>&1 </dev/null) && return
    failed=$((failed + 1))
    printf '%s\n%s\n' "$*" "$output"
}

# Once as it is, and once after itself, so that its guard is seen to work.
try_all() {
    local compiler=$1 language=$2 standard=$3 header
    command -v "$compiler" >/dev/null || { echo "$compiler is not here"; return; }
    for header in "${headers[@]}"; do
        try "$compiler" -x "$language" "-std=$standard" "${warnings[@]}" -I "$folder" \
            -include "$header" -include "$header" \
            -fsyntax-only /dev/null
    done
}

[ -e "${headers[0]}" ] || { echo "$folder: no headers there"; exit 1; }
try_all gcc c c11
try_all clang c c11
try_all g++ c++ c++11
try_all clang++ c++ c++11
echo "$count compilations, $failed failed"
[ "$count" -gt 0 ] && [ "$failed" -eq 0 ]
