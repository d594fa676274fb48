#!/usr/bin/env bash
# install.sh: does what a stranger does. Installs the commit that is checked out, as a tagged version, by `go install` from a
# module proxy and with the Go tool's own rules of what a module is; then runs the binary in an empty directory.
# Leaves nothing behind, and takes dependencies from this machine's module cache where it has them.
set -euo pipefail
module=github.com/grafnode/grafnode
version=v0.1.0-ci
root=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# A module proxy in the file system, with this one version of this one module. The zip is what git has in the commit: nothing
# that lies about in the work tree, and no module within the module.
mapfile -t nested < <(git -C "$root" ls-files '*/go.mod' | sed 's|^|:(exclude)|; s|/go.mod$||')
served="$tmp/proxy/$module/@v"
mkdir -p "$served"
git -C "$root" archive --format=zip --prefix="$module@$version/" -o "$served/$version.zip" HEAD -- . "${nested[@]}"
git -C "$root" show HEAD:go.mod >"$served/$version.mod"
echo "{\"Version\":\"$version\",\"Time\":\"$(TZ=UTC git -C "$root" log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)\"}" >"$served/$version.info"
echo "$version" >"$served/list"

# A module cache of its own, or the Go tool would remember what this version was last time; dependencies come from this
# machine's where it has them. Paths are trimmed so that what is compiled already need not be again.
GOPROXY="file://$tmp/proxy,file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)"
export GOPROXY GONOSUMDB="$module" GOMODCACHE="$tmp/modules" GOBIN="$tmp/bin" GOFLAGS="-modcacherw -trimpath" CGO_ENABLED=0
mkdir "$tmp/empty"
cd "$tmp/empty"
timeout 900 go install "$module/cmd/grafnode@$version"

export PATH="$GOBIN:$PATH" TMPDIR="$tmp/empty"
# All is read: a reader that leaves at its match ends the writer, too, which counts as a failure here.
go version -m "$GOBIN/grafnode" | grep "mod[[:space:]]$module[[:space:]]$version" >/dev/null ||
  { echo "install.sh: the binary does not know that it is $version" >&2; exit 1; }
grafnode version
for i in $(seq 200); do
  echo "192.0.2.$i - - [22/Nov/2026:12:00:00 +0000] \"GET /page/$i HTTP/1.1\" 200 $i \"-\" \"curl/8.5.0\""
done | timeout 180 grafnode demo --kill none --rate 100 -
ls -1 report
rm -r report
[ -z "$(ls -A)" ] || { echo "install.sh: the demo left behind:" >&2; ls -lA >&2; exit 1; }
