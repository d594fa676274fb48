#!/usr/bin/env bash
# install.sh BINARY "AGENT OPTIONS": makes this host a node. Run as root, again for each new binary or other options.
# The virtual machines of Vagrantfile and the machines of the integration tests are provisioned by it.
set -euo pipefail
binary=${1:?which binary? usage: install.sh BINARY \"AGENT OPTIONS\"}
options=${2:?which options? usage: install.sh BINARY \"AGENT OPTIONS\"}
here=$(cd "$(dirname "$0")" && pwd)

getent group grafnode >/dev/null || groupadd --system grafnode
getent passwd grafnode >/dev/null ||
  useradd --system --gid grafnode --home-dir /var/lib/grafnode --no-create-home --shell /usr/sbin/nologin grafnode

# Installed beside and moved into place: a running binary cannot be written over.
install -D -m 0755 "$binary" /usr/local/bin/grafnode.new
mv -f /usr/local/bin/grafnode.new /usr/local/bin/grafnode
install -D -m 0644 "$here/grafnode.service" /etc/systemd/system/grafnode.service
install -d -m 0755 /etc/grafnode
printf 'GRAFNODE_AGENT_ARGS="%s"\n' "$options" >/etc/grafnode/agent.env

systemctl daemon-reload
systemctl enable --quiet grafnode
systemctl restart grafnode
