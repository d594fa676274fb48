package docs

// step is what is done around a command that begins so.
type step struct{ before, do string }

// endless are the commands that a reader ends when he has seen enough, and how he sees that they have begun: other commands go on beside them.
var endless = []step{
	{"grafnode agent ", "grafnode operator health --wait 1m"},
	{"grafnode edge watch", ":"},
	{"curl -N ", ":"},
	{"python3 examples/python/grafnode.py watch", ":"},
}

// Parts of what is given.
const (
	// oneNode runs for whoever asks 127.0.0.1:7400.
	oneNode = `grafnode agent --dev --socket /run/node.sock >"/tmp/logs/node" 2>&1 & export GRAFNODE_SOCKET=/run/node.sock
grafnode operator health --wait 1m`
	// aLog is small.
	aLog = `for i in $(seq 300); do echo "192.0.2.$((i % 250)) - - [22/Nov/2026:12:00:00 +0000] \"GET /$i HTTP/1.1\" 200 $i \"-\" \"curl\""; done >access.log`
	// aPipeline of the access log runs by the socket.
	aPipeline = `for i in $(seq 300); do cat access.log; done >/tmp/long.log
accesslog -rate 100 -store "/tmp/requests.db" "/tmp/long.log" >"/tmp/logs/accesslog" 2>&1 &
for i in $(seq 300); do grafnode edge get access-log.enrich >/dev/null 2>&1 && break; sleep 0.1; done; grafnode edge get access-log.enrich`
	// aSecuredNode has the certificates that the document says how to make.
	aSecuredNode = `export GRAFNODE_SOCKET=/run/secured.sock
grafnode agent --data-dir /var/lib/grafnode --bind 10.0.0.1:7400 --bootstrap-expect 1 --tls-ca pki/grafnode-ca.pem --tls-cert pki/node-1.pem \
  --tls-key pki/node-1-key.pem --gossip-keys pki/gossip.keys >/tmp/logs/secured 2>&1 &
grafnode operator health --wait 1m
for i in $(seq 300); do case "$(grafnode operator health || :)" in ''|*', level 1'[!0-9]*) sleep 0.1 ;; *) break ;; esac; done # it rises before anybody has typed a word`
	certificates = `mkdir pki; grafnode tls setup --dir pki node-1 node-2 node-3; cp pki/grafnode-ca*.pem .`
)

// given is what a reader of a document has, or what happens meanwhile, in the order of the commands.
var given = map[string][]step{
	"README.md": {
		{"go run ./cmd/grafnode demo access.log", aLog},
		{"grafnode agent --data-dir", `for i in 2 3; do grafnode agent --data-dir /var/lib/other-$i --socket /run/other-$i --bind 10.0.0.$i:7400 --join 10.0.0.1,10.0.0.2,10.0.0.3 \
--bootstrap-expect 3 --tls-ca pki/grafnode-ca.pem --tls-cert pki/node-$i.pem --tls-key pki/node-$i-key.pem --gossip-keys pki/gossip.keys >"/tmp/logs/node-$i" 2>&1 & done`},
		{"grafnode edge list", aPipeline},
	},
	"docs/api.md": {
		{"curl http://127.0.0.1", aLog + "\n" + oneNode + "\n" + aPipeline},
		{"curl --cacert", certificates + "; grafnode tls cert create --role operator --name ada\n" + aSecuredNode},
	},
	"docs/security.md": {
		{"(umask 077; grafnode token create", aSecuredNode},
	},
	"docs/ui.md":                   {{"grafnode tls cert create --role server", certificates}},
	"examples/accesslog/README.md": {{"GRAFNODE_SOCKET=", aLog}},
	"examples/python/README.md":    {{"python3 examples/python/grafnode.py watch", "export GRAFNODE_SOCKET=$(echo /tmp/grafnode-dev-*/grafnode.sock); " + aLog + "\n" + aPipeline}},
}
