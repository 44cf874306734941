# What has to be there, and how it is installed if it is missing. Sourced by quickstart and test.
# shellcheck shell=bash
#
# Capabilities are looked for, not distributions: with all of them present there is no apt, no sudo and no network.

missing_packages=()
missing_words=()

# need PACKAGE "WHAT IT IS" TEST...: remembers what is missing where the test fails
need() {
    local package=$1 words=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        missing_packages+=("$package")
        missing_words+=("$words")
    fi
}

has_command() { command -v "$1"; }
has_any_command() { local name; for name in "$@"; do command -v "$name" && return; done; return 1; }
has_file() { [ -e "$1" ]; }
has_any() { local file; for file in "$@"; do [ -e "$file" ] && return; done; return 1; }

# has_library NAME HEADER: by pkg-config, or, for those without a .pc file, by the header.
has_library() {
    local folder
    pkg-config --exists "$1" && return
    for folder in ${CPATH:+${CPATH//:/ }} /usr/local/include /usr/include; do
        [ -e "$folder/$2" ] && return
    done
    return 1
}

# A driver that may have a device. Mesa's own need a graphics device (or an environment that asks for llvmpipe).
has_driver() {
    local icd
    [ -z "${OCL_ICD_VENDORS:-}${RUSTICL_ENABLE:-}" ] || return 0
    for icd in /etc/OpenCL/vendors/*.icd; do
        case ${icd##*/} in
        '*.icd') ;;
        mesa.icd | rusticl.icd) has_any /dev/dri/renderD* && return ;;
        *) return 0 ;;
        esac
    done
    return 1
}

need_to_build() {
    need meson 'Meson 1.0 or newer' has_command meson
    need ninja-build 'ninja' has_command ninja
    need gcc 'a C compiler' has_command gcc
    need pkg-config 'pkg-config' has_command pkg-config
    need ocl-icd-opencl-dev "an OpenCL loader with its pkg-config file" has_library OpenCL no-header
    need opencl-c-headers "the OpenCL headers, CL/cl.h" has_library OpenCL-Headers CL/cl.h
    need libclblast-dev 'CLBlast, clblast_c.h' has_library clblast clblast_c.h
    need libjansson-dev 'jansson' has_library jansson jansson.h
    need zlib1g-dev 'zlib' has_library zlib zlib.h
    need nettle-dev 'nettle' has_library nettle nettle/sha2.h
}

need_data() {
    need dataset-fashion-mnist 'Fashion-MNIST in /usr/share/datasets/fashion-mnist' \
        has_file /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
}

# The size of what would be installed, in apt's own words. Root is not needed for that.
print_size() {
    LC_ALL=C apt-get -o Debug::NoLocking=1 --assume-no install --no-install-recommends \
        "${missing_packages[@]}" 2>/dev/null |
        grep -E '^(Need to get|After this operation)' || true
}

has_lists() { apt-cache show "${missing_packages[@]}" >/dev/null 2>&1; }

# Installs what need() found missing; returns at once where that is nothing.
install_missing() {
    local install=(apt-get install -y --no-install-recommends "${missing_packages[@]}") as_root=()
    [ "${#missing_packages[@]}" -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo 'Missing here, and to be installed by hand (there is no apt):' >&2
        printf '  %s\n' "${missing_words[@]}" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'Missing: %s\nRun this as root, then %s again:\n  %s\n' \
                "${missing_packages[*]}" "$0" "${install[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    echo "Installing: ${missing_packages[*]}" >&2
    if ! has_lists; then "${as_root[@]}" apt-get update >&2; fi
    print_size >&2
    if ! "${as_root[@]}" "${install[@]}" >&2; then
        # lists that are too old name files that are gone
        if ! "${as_root[@]}" apt-get update >&2 || ! "${as_root[@]}" "${install[@]}" >&2; then
            printf 'These could not be installed. As root:\n  %s\n' "${install[*]}" >&2
            exit 1
        fi
    fi
}

# configure FOLDER ARGUMENT...: once
configure() {
    local folder=$1
    shift
    [ -e "$folder/build.ninja" ] || meson setup "$folder" "$@" >&2
}
