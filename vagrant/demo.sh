#!/usr/bin/env bash
# demo.sh [LINES]: runs the access-log pipeline across the three machines of the Vagrantfile, halts the one with the enriching stage while it runs,
# and looks whether every line was stored once. ingest, parse and store are on node1 and node3, where the database is; a second enrich waits there.
set -euo pipefail
lines=${1:-20000}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CGO_ENABLED=0 go build -trimpath -o "$tmp/accesslog" ./examples/accesslog/cmd/accesslog
seq "$lines" | awk '{ printf "192.0.2.%d - - [22/Nov/2026:12:00:00 +0000] \"GET /page/%d HTTP/1.1\" 200 %d \"-\" \"demo\"\n", $1 % 250, $1, $1 }' >"$tmp/access.log"

on() { vagrant ssh "$1" --command "$2"; }
for node in node1 node2 node3; do
  for file in accesslog access.log; do vagrant upload "$tmp/$file" "/tmp/$file" "$node" >/dev/null; done
  on "$node" 'sudo install /tmp/accesslog /usr/local/bin/accesslog && sudo install -D -m 0644 /tmp/access.log /var/lib/accesslog/access.log'
done

# run NODE STAGE RESTART: keeps a stage running.
run() {
  on "$1" "sudo systemd-run --quiet --collect --unit=accesslog-$2 --property=Restart=$3 --property=RestartSec=1 \
    accesslog -store /var/lib/accesslog/store.db -rate 500 -stage $2 /var/lib/accesslog/access.log"
}
run node3 parse always
run node3 store always
run node2 enrich always
run node3 enrich always
run node1 ingest on-failure

sleep 10
on node1 'systemctl is-active --quiet accesslog-ingest' || { echo "demo: all was over before node2 could be halted: give it more than $lines lines" >&2; exit 1; }
echo "demo: node2 is halted"
vagrant halt node2 --force
while on node1 'systemctl is-active --quiet accesslog-ingest'; do sleep 2; done
on node3 'sudo accesslog -check -store /var/lib/accesslog/store.db /var/lib/accesslog/access.log'
