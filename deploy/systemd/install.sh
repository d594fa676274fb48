#!/usr/bin/env bash
# install.sh BINARY SETTINGS: makes this host a node with this file of settings. Run as root, again for each new binary or other settings.
# The virtual machines of Vagrantfile and the machines of the integration tests are provisioned by it.
set -euo pipefail
binary=${1:?which binary? usage: install.sh BINARY SETTINGS}
settings=${2:?which file of settings? usage: install.sh BINARY SETTINGS, see grafnode.toml.example}
here=$(cd "$(dirname "$0")" && pwd)

getent group grafnode >/dev/null || groupadd --system grafnode
getent passwd grafnode >/dev/null ||
  useradd --system --gid grafnode --home-dir /var/lib/grafnode --no-create-home --shell /usr/sbin/nologin grafnode

"$binary" config validate "$settings" --data-dir /var/lib/grafnode

# Installed beside and moved into place: a running binary cannot be written over.
install -D -m 0755 "$binary" /usr/local/bin/grafnode.new
mv -f /usr/local/bin/grafnode.new /usr/local/bin/grafnode
install -D -m 0644 "$here/grafnode.service" /etc/systemd/system/grafnode.service
install -d -m 0755 /etc/grafnode
find /etc/grafnode -maxdepth 1 \( -name "*-key.pem" -o -name "*.keys" \) -exec chgrp grafnode {} + -exec chmod 0640 {} +
install -m 0644 "$settings" /etc/grafnode/grafnode.toml

systemctl daemon-reload
systemctl enable --quiet grafnode
systemctl restart grafnode
