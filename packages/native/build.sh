#!/bin/sh
# Builds the addon for x64 and arm64 into prebuilt/linux-<arch>/sesame.node.
#
#   build.sh          builds every architecture whose compiler is installed
#   build.sh --check  builds aside, compares with the committed files; 1 where they differ
#   build.sh --asan   builds and runs c/test under the address and undefined-behaviour sanitizers
#
# Portable: linked with no library at all, so the file asks for none (no NEEDED) and for no
# symbol version; what it uses is in the process already, be it glibc's or musl's.
# Reproducible: same bytes from every directory, with the compiler named below. Flags that
# distributions set in their own ways (_FORTIFY_SOURCE, build id, hash style) are set here.
set -eu
LC_ALL=C
export LC_ALL

MADE_WITH="gcc 12.2.0"
SOURCES="addon.c confine.c harden.c landlock.c lock.c memfd.c nofile.c notify.c peer.c pidfd.c
  reexec.c seccomp.c secure-memory.c secure.c signals.c stack.c
  strings.c value.c"

root=$(cd "$(dirname "$0")" && pwd)
headers=${NODE_API_HEADERS:-$root/../../node_modules/node-api-headers/include}
[ -f "$headers/node_api.h" ] || { echo "build.sh: no node_api.h in $headers" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sanitized() { # name source...
  name=$1
  shift
  gcc -std=c17 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -fno-omit-frame-pointer \
    -fsanitize=address,undefined -fno-sanitize-recover=all -o "$scratch/$name" "$root/c/test/$name.c" "$@"
  "$scratch/$name"
}

# The parts without Node. What a filter denies, the sanitizers' own exit would need, too.
sanitizers() {
  cd "$root/c"
  ASAN_OPTIONS=handle_segv=0 sanitized secure-test secure.c
  sanitized rules-fuzz landlock.c strings.c
  ASAN_OPTIONS=detect_leaks=0 sanitized seccomp-test seccomp.c
}

case "${1:-}" in
  "") check=false ;;
  --check) check=true ;;
  --asan) sanitizers; exit ;;
  *) echo "usage: build.sh [--check | --asan]" >&2; exit 2 ;;
esac

compile() { # compiler output flags...
  compiler=$1 output=$2
  shift 2
  (
    cd "$root/c"
    # shellcheck disable=SC2086 -- a list of plain words
    "$compiler" -std=c17 -O2 -Wall -Wextra -Werror \
      -fPIC -shared -fvisibility=hidden -fno-ident -fstack-protector-strong -U_FORTIFY_SOURCE \
      -ffile-prefix-map="$root=." -isystem "$headers" "$@" \
      -nostdlib -nodefaultlibs -s -Wl,--build-id=none -Wl,--hash-style=gnu -Wl,-O1 \
      -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
      -o "$output" $SOURCES
  )
}

compare() { # arch built
  committed=$root/prebuilt/linux-$1/sesame.node
  if [ ! -f "$committed" ]; then
    echo "$1: DIFFERS: prebuilt/linux-$1/sesame.node is missing"
    return 1
  fi
  if cmp -s "$committed" "$2"; then
    echo "$1: same bytes ($(wc -c <"$2") bytes, sha256 $(sha256sum <"$2" | cut -c1-64))"
    return 0
  fi
  echo "$1: DIFFERS"
  echo "  committed: $(wc -c <"$committed") bytes, sha256 $(sha256sum <"$committed" | cut -c1-64)"
  echo "  rebuilt:   $(wc -c <"$2") bytes, sha256 $(sha256sum <"$2" | cut -c1-64)"
  cmp -l "$committed" "$2" 2>/dev/null |
    awk 'NR == 1 { first = $1 - 1 }
         END { print "  " NR " bytes differ, the first at offset " first }'
  echo "  compiler:  $3 (the committed file was made with $MADE_WITH)"
  return 1
}

status=0
one() { # arch triplet flags...
  arch=$1 compiler=$2-gcc
  shift 2
  if ! command -v "$compiler" >/dev/null 2>&1; then
    if [ "${CI:-}" = true ]; then
      echo "$arch: FAILED: $compiler is not installed" >&2
      status=1
    else
      echo "$arch: skipped, $compiler is not installed"
    fi
    return
  fi
  mkdir -p "$scratch/$arch"
  built=$scratch/$arch/sesame.node
  compile "$compiler" "$built" "$@"
  if $check; then
    compare "$arch" "$built" "$("$compiler" --version | head -n 1)" || status=1
  else
    mkdir -p "$root/prebuilt/linux-$arch"
    # Renamed into place: a Node that has the old file mapped keeps it.
    install -m 644 "$built" "$root/prebuilt/linux-$arch/.sesame.node.new"
    mv "$root/prebuilt/linux-$arch/.sesame.node.new" "$root/prebuilt/linux-$arch/sesame.node"
    echo "$arch: built prebuilt/linux-$arch/sesame.node ($(wc -c <"$built") bytes)"
  fi
}

# Protection of branches and returns has a flag per architecture. Pages of arm64 may have 64 KiB:
# without noseparate-code the file would hold 130 KiB of padding.
one x64 x86_64-linux-gnu -fcf-protection=full -Wl,-z,separate-code
one arm64 aarch64-linux-gnu -mbranch-protection=standard -Wl,-z,noseparate-code
exit $status
