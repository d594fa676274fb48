package ibverbs

import (
	"time"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// ackUnit and the codes from 1 to 31 are how the standard writes the time after which an answer is missed: ackUnit << code.
const (
	ackUnit    = 4096 * time.Nanosecond
	ackCodeMax = 31
)

// ackCode returns the least time that is not less than d. Zero would be for ever.
func ackCode(d time.Duration) uint8 {
	for code := uint8(1); code < ackCodeMax; code++ {
		if ackUnit<<code >= d {
			return code
		}
	}
	return ackCodeMax
}

// pauses are the times, in hundredths of a millisecond, after which a write is repeated that found no receive, by their codes from 1 on. Code zero is
// the longest of all.
var pauses = [...]time.Duration{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192,
	12288, 16384, 24576, 32768, 49152}

// pauseCode returns the least pause that is not less than d, or the longest.
func pauseCode(d time.Duration) uint8 {
	for i, p := range pauses {
		if p*10*time.Microsecond >= d {
			return uint8(i + 1)
		}
	}
	return 0
}

// countMax is the highest count of repetitions. Seven means for ever: by the standard where no receive is posted, and with Soft-RoCE also where
// there is no answer.
const countMax = 6

// validRetry says whether r can be kept.
func validRetry(r verbs.Retry) bool {
	return r.Count >= 0 && r.Count <= countMax && r.NotReady >= 0 && r.NotReady <= countMax && r.AckTimeout > 0 && r.Pause > 0
}
