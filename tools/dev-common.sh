# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts in tools/dev.d/ (sourced, bash; current folder: top of the tree).
# Environment: JOBS (parallel compile jobs, default: processors).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
JOBS=${JOBS:-$(nproc)}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "Needs root for: $* (run as root, or install sudo)"
    fi
}

package_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

package_offered() {
    apt-cache show "$1" 2>/dev/null | grep -q '^Version:'
}

# Installs the named packages; "?" at the end: only if the system offers it.
install_packages() {
    local name wanted=() optional=()
    for name in "$@"; do
        if package_installed "${name%\?}"; then continue; fi
        case $name in
        *\?) optional+=("${name%\?}") ;;
        *) wanted+=("$name") ;;
        esac
    done
    [ ${#wanted[@]} = 0 ] && [ ${#optional[@]} = 0 ] && return 0
    if ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then
        as_root apt-get update -qq
    fi
    for name in "${optional[@]}"; do
        if package_offered "$name"; then wanted+=("$name"); fi
    done
    [ ${#wanted[@]} = 0 ] && return 0
    say "Installing ${wanted[*]}"
    case " ${wanted[*]} " in
    *" postfix "*) # Without a configuration, so that no mail server starts on this machine.
        echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
        ;;
    esac
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
    as_root "${install[@]}" "${wanted[@]}" >/dev/null ||
        { as_root apt-get update -qq && as_root "${install[@]}" "${wanted[@]}" >/dev/null; } ||
        die "Could not install: ${wanted[*]}. Install them by hand and run this again."
    case " ${wanted[*]} " in
    *" prometheus "*) # The tests start their own; none is left running.
        if [ -d /run/systemd/system ]; then as_root systemctl disable --now --quiet prometheus || true; fi
        ;;
    esac
}

# need PURPOSE...: everything tools/packages lists for these purposes is installed afterwards.
need() {
    command -v dpkg-query >/dev/null ||
        die "./dev installs what it needs with apt, on Debian 12, 13 or Ubuntu 24.04. On another system install the packages of tools/packages by hand, and call meson yourself."
    local purpose names=()
    for purpose in "$@"; do
        # shellcheck disable=SC2046,SC2207
        names+=($(sed -n "s/^$purpose: *//p" tools/packages))
    done
    install_packages "${names[@]}"
}

# build_in FOLDER [meson option...]: configures FOLDER when it is new or its options change, and builds TARGETS in it, or everything
# when there are none. CC chooses the compiler at the first time.
TARGETS=()
build_in() {
    local folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        rm -rf "$folder"
        meson setup "$folder" . "$@" >"$folder.setup.log" 2>&1 || { tail -n 15 "$folder.setup.log"; return 1; }
        rm -f "$folder.setup.log"
    elif [ "$(cat "$folder/options" 2>/dev/null)" != "$*" ]; then
        meson configure "$folder" "$@" # Made with other options, before these changed.
    fi
    printf '%s\n' "$*" >"$folder/options"
    # Quiet unless it fails: what Meson says of its own reconfiguring tells nobody anything.
    ninja -C "$folder" -j "$JOBS" --quiet "${TARGETS[@]}" >"$folder/build.log" 2>&1 || { tail -n 60 "$folder/build.log"; return 1; }
}

# Builds the dashboard into build/web: what npm installs stays in web/node_modules.
build_web() {
    command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || need web
    mkdir -p build
    if ! cmp -s web/package-lock.json web/node_modules/.package-lock.copy; then
        say "Installing what builds the dashboard (npm ci in web/)"
        npm ci --prefix web --no-audit --no-fund --loglevel=error >build/npm.log 2>&1 ||
            { tail -n 20 build/npm.log; die "npm ci failed; without a dashboard: meson setup build/release"; }
        cp web/package-lock.json web/node_modules/.package-lock.copy
    fi
    if [ ! -f build/web/index.html ] || [ -n "$(find web -path web/node_modules -prune -o -newer build/web/index.html -type f -print -quit)" ] ||
        [ api/openapi.yaml -nt build/web/index.html ]; then
        say "Building the dashboard in build/web"
        node web/build.mjs --out build/web >build/web.log 2>&1 || { tail -n 40 build/web.log; return 1; }
    fi
}

build_release() {
    mkdir -p build
    # Link-time optimisation inlines the small functions of base/ everywhere: a fifth fewer
    # instructions a decision. Tests are run in other builds: linking each of them so takes minutes.
    local TARGETS=(src/daemon/seczim-daemon src/api/seczim-api src/cli/seczim src/settings/settings_docs
        bench/bench_decide bench/bench_fill bench/bench_recorder bench/bench_replay)
    build_in build/release --buildtype=release -Db_pie=true -Db_lto=true "-Dweb=$PWD/build/web"
}

# The release once more, laid out by gcc for what a decision really runs through: built to count, run over made-up requests
# and their records (the same each time, so the same programs), built again (docs/decisions/0012).
build_tuned() {
    mkdir -p build
    local options=(--buildtype=release -Db_pie=true -Db_lto=true "-Dweb=$PWD/build/web" -Dc_args=-Wno-missing-profile)
    if [ ! -f build/tuned/trained ] || [ -n "$(find src bench meson.build meson_options.txt -newer build/tuned/trained -type f -print -quit)" ]; then
        rm -rf build/tuned # A profile fits the sources it was counted with alone.
        local TARGETS=(bench/bench_decide bench/bench_facts)
        # `set -e` does not hold where a caller asks whether this worked.
        CC=gcc build_in build/tuned "${options[@]}" -Db_pgo=generate || return 1
        build/tuned/bench/bench_decide 200000 default >/dev/null || return 1
        build/tuned/bench/bench_decide 200000 all >/dev/null || return 1
        build/tuned/bench/bench_decide 200000 read >/dev/null || return 1
        build/tuned/bench/bench_facts spf 50000 >/dev/null || return 1
        touch build/tuned/trained
    fi
    local TARGETS=(src/daemon/seczim-daemon src/api/seczim-api src/cli/seczim
        bench/bench_decide bench/bench_facts bench/bench_fill bench/bench_recorder bench/bench_replay bench/bench_dns src/settings/settings_docs)
    build_in build/tuned "${options[@]}" -Db_pgo=use
}

build_debug() {
    mkdir -p build
    CC=gcc build_in build/debug --buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Dfuzz=replay \
        "-Dweb=$PWD/build/web"
}

# program NAME FOLDER: path of a built program, e.g. build/release/src/daemon/seczim-daemon.
program() {
    local path
    path=$(find "$2" -type f -name "$1" -perm -u+x -print -quit 2>/dev/null)
    [ -n "$path" ] || die "There is no $1 in $2."
    printf '%s\n' "$path"
}
