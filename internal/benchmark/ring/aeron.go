package ring

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// openAeron looks for Aeron's media driver.
func openAeron(_ context.Context, _ *suite.Bench) (suite.Side, error) {
	if _, err := exec.LookPath("aeronmd"); err != nil {
		return nil, fmt.Errorf("%w: %w", suite.ErrAbsent, err)
	}
	return nil, fmt.Errorf("%w: aeronmd is, but not its C client", suite.ErrAbsent)
}
