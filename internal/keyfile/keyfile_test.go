package keyfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/keyfile"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	read := func(text string) ([][]byte, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return keyfile.Read(path)
	}
	a, b := keyfile.New(), keyfile.New()
	require.NotEqual(t, a, b)
	keys, err := read("# new first\n" + a + "\n\n  " + b)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	require.Len(t, keys[0], keyfile.Bytes)
	require.NotEqual(t, keys[0], keys[1])

	_, err = read("# none\n")
	require.ErrorIs(t, err, keyfile.ErrNoKey)
	for _, wrong := range []string{a + "\nsecret", a + "\n" + a[:20], a + "\n" + a + a} {
		_, err = read(wrong)
		require.EqualError(t, err, path+":2: must be 32 bytes in base64")
	}
	_, err = keyfile.Read(path + "x")
	require.ErrorIs(t, err, os.ErrNotExist)
}
