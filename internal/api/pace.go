package api

import (
	"io"
	"time"
)

// leastRate is how many bytes a second a client must send of a body. A pause of READ_TIMEOUT is
// borne, and of what a client has sent faster no more than that is kept. A phone on 2G sends 2,000
// a second when it sends. net/http has no such rate, Kestrel has 240.
const leastRate = 512

// earned is how much longer a client may take for having sent so many bytes.
func earned(n int) time.Duration { return time.Duration(n) * time.Second / leastRate }

// paced reads from a client that must keep the least rate. Only the time counts for which Read
// waits.
type paced struct {
	io.Reader

	set     func(time.Time) error // sets the deadline
	timeout time.Duration         // the longest pause, and what there is to begin with
	spent   time.Duration         // of it
	idle    bool                  // what comes earns no time
}

func (p *paced) Read(b []byte) (int, error) {
	began := time.Now()
	_ = p.set(began.Add(p.timeout - p.spent)) // if it fails, so does Read
	n, err := p.Reader.Read(b)
	if p.spent += time.Since(began); !p.idle {
		p.spent = max(p.spent-earned(n), 0)
	}
	return n, err
}
