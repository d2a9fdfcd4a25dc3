#!/usr/bin/env bash
# Records golden drivers (README.md): the minimal, memory and filesystem driver as this tree and its pinned compiler make them, and the
# sources that a driver's author needs, as they are today.
#
#   conformance/golden/record.sh VERSION     e.g. 0.1.0; a date before the first release
#
# It writes the folder conformance/golden/MAJOR-VERSION, which is then committed and never changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD drivers=(minimal memory filesystem)

version=${1-}
[[ $version =~ ^[0-9][0-9A-Za-z.-]*$ ]] || { echo "usage: $0 VERSION, which begins with a digit and has no spaces" >&2; exit 2; }
for command in cargo jq xz; do
    command -v "$command" >/dev/null || { echo "error: '$command' is not installed; .ci/install brings it" >&2; exit 1; }
done

build=${CARGO_TARGET_DIR:-$root/target}/golden
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rm -rf "$build/set"
mkdir -p "$build/set"

build_drivers() {
    # Panic messages name source files: the machine that recorded is nobody's business, and would make each recording another file.
    export RUSTFLAGS="--remap-path-prefix=$root=/longshore --remap-path-prefix=$cargo_home=/cargo"
    export CARGO_PROFILE_RELEASE_STRIP=symbols
    cargo build --release --locked --target-dir "$build" -p longshore-driver-memory -p longshore-driver-filesystem
    cargo build --release --locked --target-dir "$build" --manifest-path examples/minimal-driver/Cargo.toml
}

# pack_source: one archive that builds by itself: `plugin-api` as cargo would publish it, without the workspace, and the minimal driver on it.
pack_source() {
    local source=$build/source
    rm -rf "$source" "$build/package"
    mkdir -p "$source/plugin-api" "$source/minimal-driver"
    cargo package --quiet --no-verify --allow-dirty --exclude-lockfile --target-dir "$build" -p longshore-plugin-api
    tar -xzf "$build"/package/longshore-plugin-api-*.crate -C "$source/plugin-api" --strip-components=1
    rm -rf "$source/plugin-api/"{Cargo.toml.orig,.cargo_vcs_info.json,c,tests}
    # The crate's own tests stay behind, and with them what their manifest entries name.
    sed -i '/^\[\[test\]\]$/,/^$/d' "$source/plugin-api/Cargo.toml"
    cp -r examples/minimal-driver/{Cargo.toml,Cargo.lock,settings.schema.json,src} "$source/minimal-driver"
    sed -i 's|path = "../../plugin-api"|path = "../plugin-api"|' "$source/minimal-driver/Cargo.toml"
    grep -q '"../plugin-api"' "$source/minimal-driver/Cargo.toml" || { echo "error: the minimal driver does not name ../../plugin-api" >&2; exit 1; }
    pack source "$source" plugin-api minimal-driver
}

# note FILE QUERY: what the driver's note says.
note() { cargo run --quiet --locked -p longshore -- driver inspect --json "$1" | jq -er "$2"; }

sum() { sha256sum "$1" | cut -d ' ' -f 1; }

# pack_drivers: one archive of all of them, which is half of three, since each has the same library code in it.
pack_drivers() {
    local files=() driver
    for driver in "${drivers[@]}"; do
        files+=("$(file_of "$driver")")
    done
    if (cd "$build/release" && grep -qaF -e "$root" -e "$cargo_home" "${files[@]}"); then
        echo "error: the drivers name folders of this machine" >&2
        exit 1
    fi
    pack drivers "$build/release" "${files[@]}"
}

file_of() { echo "liblongshore_driver_$1.so"; }

# pack NAME FOLDER FILE...: an archive that is the same whoever packs it.
pack() {
    tar -c --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX -C "$2" "${@:3}" | xz -9e >"$build/set/$1.tar.xz"
}

write_manifest() {
    local sample driver
    sample=$build/release/$(file_of minimal)
    cat <<END
# Golden drivers, written by ../record.sh; ../README.md says what they are for. Never changed by hand.
version = "$version"
recorded = "$(date -u +%F)"
abi_major = $(note "$sample" .abi.major)
abi_layout = "$(note "$sample" .abi.layout)"
compiler = "$(note "$sample" .compiler)"
target = "$(note "$sample" .target)"

# The sha256 of source.tar.xz, and of each file in drivers.tar.xz.
[source]
sha256 = "$(sum "$build/set/source.tar.xz")"
END
    for driver in "${drivers[@]}"; do
        printf '\n[[driver]]\nname = "%s"\nfile = "%s"\nsha256 = "%s"\n' \
            "$driver" "$(file_of "$driver")" "$(sum "$build/release/$(file_of "$driver")")"
    done
}

(build_drivers)
pack_source
pack_drivers
write_manifest >"$build/set/set.toml"

set=conformance/golden/$(sed -n 's/^abi_major = //p' "$build/set/set.toml")-$version
[ ! -e "$set" ] || { echo "error: $set is there already; remove it first if its tables have moved before the first release" >&2; exit 1; }
mv "$build/set" "$set"
du -cb "$set"/*
echo "recorded $set; put it to the cases with \`cargo test -p longshore-conformance --test golden\`, then commit it"
