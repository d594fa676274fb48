package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/grafnode/grafnode/api"
)

// CreateToken makes a token: an operator's verb. Its secret is in the answer, and nowhere else afterwards. After api.ErrUnknown there may be one
// whose secret nobody has: find it by its name among Tokens and delete it.
func (a *API) CreateToken(ctx context.Context, r api.TokenRequest) (t api.TokenCreated, err error) {
	return t, a.call(ctx, post("/v1/tokens", r), &t)
}

// Tokens returns all tokens, by ID.
func (a *API) Tokens(ctx context.Context, c api.Consistency) (tokens []api.Token, err error) {
	return tokens, a.call(ctx, get("/v1/tokens", c), &tokens)
}

// DeleteToken takes a token back: an operator's verb.
func (a *API) DeleteToken(ctx context.Context, id string) error {
	return a.call(ctx, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id)}, nil)
}
