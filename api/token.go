package api

import (
	"crypto/rand"
	"crypto/sha256"
	"regexp"
	"strings"
	"time"
)

// Token is a capability as the API shows it: whoever shows its secret may do what Rules allow, and nothing else.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // for people
	Rules   Rules     `json:"rules"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
}

// TokenRequest asks for a new token (POST /v1/tokens).
type TokenRequest struct {
	Name    string    `json:"name"`
	Rules   Rules     `json:"rules"`
	Expires time.Time `json:"expires,omitzero"` // whole seconds; zero: never
}

// TokenCreated answers TokenRequest. Nobody is shown the secret again.
type TokenCreated struct {
	Token
	Secret string `json:"secret"` // what requests show: TokenScheme, a blank and this
}

// HeaderAuthorization carries a token's secret, behind TokenScheme and a blank.
const (
	HeaderAuthorization = "Authorization"
	TokenScheme         = "Bearer"
)

// tokenForm is what those who look for lost secrets look for. The ID is public; what comes behind it is 260 random bits.
var tokenForm = regexp.MustCompile(`^grafnode_([a-z2-7]{12})_([A-Z2-7]{52})$`)

// NewTokenSecret makes the ID and the secret of a new token, and what the cluster keeps of the secret.
func NewTokenSecret() (id, secret string, hash [32]byte) {
	id = strings.ToLower(rand.Text()[:12])
	random := rand.Text() + rand.Text()
	return id, "grafnode_" + id + "_" + random, sha256.Sum256([]byte(random))
}

// ParseTokenSecret returns the ID of the token that a secret is of, and the hash by which it is known. False: it is no token's.
func ParseTokenSecret(secret string) (id string, hash [32]byte, ok bool) {
	parts := tokenForm.FindStringSubmatch(secret)
	if parts == nil {
		return "", hash, false
	}
	return parts[1], sha256.Sum256([]byte(parts[2])), true
}
