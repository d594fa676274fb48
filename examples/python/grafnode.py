#!/usr/bin/env python3
"""Asks a grafnode cluster where the ring of an edge is, and follows what changes. Standard library only.

    grafnode.py locator EDGE          its record, once
    grafnode.py watch [PREFIX]        a line for each change, until it is interrupted

Nodes are named by $GRAFNODE_ADDRESS, host:port with commas between, or by the socket in $GRAFNODE_SOCKET; else 127.0.0.1:7400 is asked. A cluster
with certificates wants $GRAFNODE_TLS_CA, $GRAFNODE_TLS_CERT and $GRAFNODE_TLS_KEY besides. docs/api.md has the routes.
"""

import http.client
import itertools
import json
import os
import socket
import ssl
import sys
import time
import urllib.parse

SILENCE = 6  # seconds without a line on a watch: the node is gone


class Refused(Exception):
    """The cluster's answer to a request that it will not do, whichever node is asked."""


class Connection(http.client.HTTPConnection):
    """HTTP to one node: by its Unix socket, or by TCP, with TLS if there is an authority to know nodes by."""

    def __init__(self, node):
        super().__init__("node", timeout=SILENCE)
        self.node = node

    def connect(self):
        if self.node.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.node)
            return
        host, port = self.node.rsplit(":", 1)
        self.sock = socket.create_connection((host.strip("[]"), int(port)), self.timeout)
        authority = os.environ.get("GRAFNODE_TLS_CA")
        if authority:
            context = ssl.create_default_context(cafile=authority)
            if "GRAFNODE_TLS_CERT" in os.environ:
                context.load_cert_chain(os.environ["GRAFNODE_TLS_CERT"], os.environ["GRAFNODE_TLS_KEY"])
            self.sock = context.wrap_socket(self.sock, server_hostname="server.grafnode")  # of every node, wherever it is


def nodes():
    """The nodes to ask, in turns and without end."""
    named = os.environ.get("GRAFNODE_ADDRESS") or os.environ.get("GRAFNODE_SOCKET") or "127.0.0.1:7400"
    return itertools.cycle(named.split(","))


def get(node, path, **query):
    """The answer of one node to a GET, to be read; Refused, or OSError if another node may do better."""
    connection = Connection(node)
    try:
        connection.request("GET", path + "?" + urllib.parse.urlencode(query))
        answer = connection.getresponse()
        if answer.status == 200:
            return answer
        error = json.load(answer)
    except (http.client.HTTPException, ValueError) as foreign:
        raise OSError(f"{node}: {foreign!r}") from foreign
    if error["kind"] in ("no-quorum", "unavailable", "overloaded"):
        raise OSError(f"{node}: {error['message']}")
    raise Refused(error["message"])


def locator(edge, patience=30):
    """The record of an edge, as fresh as the leader's."""
    until = time.monotonic() + patience
    for node in nodes():
        try:
            return json.load(get(node, "/v1/edges/" + urllib.parse.quote(edge, safe="")))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def watch(prefix=""):
    """Every edge there is, and then every change of one, as (record, deleted), for ever, whichever nodes come and go."""
    told = 0  # all up to this revision has been told
    known = {}  # the records of which the last that was told is not that they are deleted, by name
    for node in nodes():
        listed = set()  # the names in a state that is being told, which may come again: what is not among them has been deleted
        try:
            for line in get(node, "/v1/watch", prefix=prefix, **{"from": told}):
                event = json.loads(line)
                if event["type"] == "error":
                    break  # the node has lost the cluster: another may not have
                if "edge" in event:
                    edge, deleted = event["edge"], event.get("deleted", False)
                    known[edge["name"]] = edge
                    if deleted:
                        del known[edge["name"]]
                    elif event["type"] == "state":
                        listed.add(edge["name"])
                    yield edge, deleted
                if event["type"] == "sync":
                    for name in known.keys() - listed:
                        yield known.pop(name), True
                    listed = set()
                if event["type"] in ("sync", "bookmark"):
                    told = event["revision"]
        except OSError as error:
            print("next node:", error, file=sys.stderr)
        time.sleep(0.2)


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "locator":
        print(json.dumps(locator(arguments[1])))
        return 0
    if 1 <= len(arguments) <= 2 and arguments[0] == "watch":
        for edge, deleted in watch(*arguments[1:]):
            where = edge.get("locator", {})
            print(edge["name"], "deleted" if deleted else f"generation {edge['generation']} at {where.get('address', 'no node')}", flush=True)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Refused, OSError) as failed:
        sys.exit(f"grafnode.py: {failed}")
    except KeyboardInterrupt:
        pass
