#!/usr/bin/env bash
# One host, drivers by other compilers: builds the minimal driver with each compiler at hand, debug from this tree's `plugin-api` and release
# from the golden source (../golden), and puts each file to the cases of profile core. Then mimalloc as the driver's allocator, and a
# build with panic = "abort", which must be refused, and works in a process of its own.
#
#   compilers.sh JUDGE      the program longshore-conformance; at most six minutes with nothing built
#
# What is not at hand is skipped by name. The last lines are a table of all of it.
set -euo pipefail
judge=$(realpath "${1:?usage: compilers.sh JUDGE}")
cd "$(dirname "$0")/../.."

build=${CARGO_TARGET_DIR:-$PWD/target}/compilers
file=liblongshore_driver_minimal.so
failed=0 table=''
mkdir -p "$build"
unset RUSTFLAGS RUSTC CARGO_BUILD_TARGET CARGO_TARGET_DIR
# Nothing is built twice, and no debugger looks at the result.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only

# --- compilers -------------------------------------------------------------------------------------------------------

# Each sets $compiler, $cargo and $version, or fails with $why.
pinned() {
    local toolchain
    toolchain=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    compiler=pinned cargo=(cargo "+$toolchain")
    version=$(rustc "+$toolchain" --version)
}

# The newest of those that are installed: `nightly` may be older than one with a date in its name.
nightly() {
    local toolchain day newest='' name
    compiler=nightly
    for name in $(rustup toolchain list | sed -n 's/^\(nightly[^ ]*\).*/\1/p'); do
        day=$(rustc "+$name" --version | sed -n 's/.* \([0-9-]*\))$/\1/p')
        [[ $day < $newest ]] || { newest=$day; toolchain=$name; }
    done
    [ -n "$newest" ] || { why="no nightly toolchain is installed"; return 1; }
    cargo=(cargo "+$toolchain")
    version=$(rustc "+$toolchain" --version)
}

# Packages rustc-web and cargo-web: the version that Debian builds Firefox with. Its rustc of old has no edition 2024.
debian() {
    local promised has
    compiler=debian
    dpkg-query -S /usr/bin/rustc /usr/bin/cargo >/dev/null 2>&1 || { why="Debian's rustc-web and cargo-web are not installed"; return 1; }
    version=$(/usr/bin/rustc --version)
    promised=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    has=$(cut -d ' ' -f 2 <<<"$version")
    [ "$(printf '%s\n' "$promised" "$has" | sort -V | head -n 1)" = "$promised" ] || { why="$version is older than the promised $promised"; return 1; }
    # Otherwise it would find the rustc of rustup.
    cargo=(env RUSTC=/usr/bin/rustc /usr/bin/cargo)
}

# --- builds ----------------------------------------------------------------------------------------------------------

# built_by NAME PROFILE MANIFEST [ARGUMENT...]: builds with $compiler, and sets $driver to a copy of the file. Compilers have a folder each, in
# which the libraries that all builds of a profile need are built once.
built_by() {
    local name=$1 profile=$2 manifest=$3 flags=()
    shift 3
    [ "$profile" = debug ] || flags=(--release)
    driver=$build/$name/$file
    mkdir -p "$build/$name"
    rm -f "$driver"
    "${cargo[@]}" rustc --quiet --lib --manifest-path "$manifest" --target-dir "$build/$compiler" "${flags[@]}" "$@" || return 1
    cp "$build/$compiler/$profile/$file" "$driver"
    # What is judged is what this compiler made.
    grep -qaF "\"compiler\":\"$version\"" "$driver" || { echo "error: the note of $driver does not name $version" >&2; return 1; }
}

row() { table+=$(printf '%-28s %-8s %s' "$1" "$2" "$3")$'\n'; }

skipped() { echo "skipped: $1: $2"; row "$1" skipped "$2"; }

# passes NAME PROFILE MANIFEST [ARGUMENT...]: builds a driver and puts it to the cases.
passes() {
    local begin=$SECONDS
    echo "--- $1: $version"
    if ! built_by "$@"; then
        failed=1
        row "$1" FAILED "it does not build with $version"
        return
    fi
    judged "$1" "built in $((SECONDS - begin)) s"
}

# judged NAME WHAT [OPTION...]: puts $driver to the cases; WHAT is told beside the result.
judged() {
    local name=$1 what=$2 begin=$SECONDS
    shift 2
    if "$judge" run "$driver" --profile core "$@" >"$build/said" 2>&1; then
        cat "$build/said"
        row "$name" passed "$(awk '/^(MUST|SHOULD|MAY) / { printf "%s %s passed, %s failed; ", $1, $2, $3 }' "$build/said")$what, judged in $((SECONDS - begin)) s, $version"
    else
        failed=1
        cat "$build/said"
        row "$name" FAILED "the judge says why, above; $version"
    fi
}

# refused NAME TEXT: the loader does not load $driver, and says TEXT.
refused() {
    local status=0
    "$judge" run "$driver" --profile core >"$build/said" 2>&1 || status=$?
    cat "$build/said"
    if [ "$status" = 3 ] && grep -qF "$2" "$build/said"; then
        row "$1" refused "as it must be: $2"
    else
        failed=1
        row "$1" FAILED "exit code $status, not refused with: $2"
    fi
}

# golden_source SET: unpacks a recorded source, and sets $source.
golden_source() {
    source=$build/source/$(basename "$1")
    rm -rf "$source"
    mkdir -p "$source"
    # As new files: cargo would take a source that was recorded again for the one that it knows.
    tar -xJmf "$1/source.tar.xz" -C "$source"
}

# with_mimalloc: the minimal driver with another global allocator; sets $source.
with_mimalloc() {
    source=$build/source/mimalloc
    rm -rf "$source"
    mkdir -p "$source"
    cp -r examples/minimal-driver/{Cargo.toml,Cargo.lock,settings.schema.json,src} "$source"
    sed -i "s|path = \"../../plugin-api\"|path = \"$PWD/plugin-api\"|" "$source/Cargo.toml"
    sed -i 's|^\[dependencies\]$|&\nmimalloc = { version = "=0.1.52", default-features = false }|' "$source/Cargo.toml"
    printf '\n#[global_allocator]\nstatic ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;\n' >>"$source/src/lib.rs"
    "${cargo[@]}" fetch --quiet --manifest-path "$source/Cargo.toml"
}

# --- the matrix ------------------------------------------------------------------------------------------------------

current=examples/minimal-driver/Cargo.toml
sets=(conformance/golden/*-*/)

pinned
passes pinned-debug debug "$current" --locked
for set in "${sets[@]}"; do
    golden_source "$set"
    passes "pinned-release-$(basename "$set")" release "$source/minimal-driver/Cargo.toml" --locked
done
# It brings a function that runs at load time, which a SHOULD of the contract is about: that one fails, and must not refuse the driver.
if with_mimalloc; then
    passes pinned-release-mimalloc release "$source/Cargo.toml"
else
    skipped pinned-release-mimalloc "the crate mimalloc cannot be fetched"
fi
# The driver's own crate decides, as it brings the panic runtime.
if built_by pinned-debug-abort debug "$current" --locked -- -C panic=abort; then
    refused pinned-debug-abort 'panic = "abort"'
    judged pinned-debug-abort-isolated 'in a process of its own' --isolation process
else
    failed=1
    row pinned-debug-abort FAILED "it does not build"
fi

# other [ARGUMENT...]: builds by $compiler, of the oldest source, which lies farthest from this tree; arguments for the debug build.
other() {
    golden_source "${sets[0]}"
    passes "$compiler-debug" debug "$current" --locked "$@"
    passes "$compiler-release-$(basename "${sets[0]}")" release "$source/minimal-driver/Cargo.toml" --locked
}
# Fields of Rust's own structs in another order than the host has: none of them may cross.
if nightly; then other --config 'build.rustflags=["-Zrandomize-layout"]'; else skipped nightly "$why"; fi
if debian; then other; else skipped debian "$why"; fi

echo
printf '%s' "$table"
exit $failed
