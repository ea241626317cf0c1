package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/outset-settings/outset/internal/localnats"
	"github.com/outset-settings/outset/internal/localpg"
	"github.com/outset-settings/outset/internal/localpg/pgtest"
)

var (
	chaosSeed = flag.Uint64("chaos.seed", 0, "the seed of TestChaos; 0: a new one")
	chaosTime = flag.Duration("chaos.duration", 0, "how long TestChaos does harm; 0: 15 s with "+
		"-short, else a minute")
)

// chaos is a system with servers of its own, which can be harmed.
type chaos struct {
	*system

	r       *rand.Rand
	nats    *localnats.Server
	pg      *localpg.Server
	pgDir   string
	workers []*program
	apis    [2]*program
	kept    int // so many of each are never ended
	load    *chaosLoad
}

// newChaos starts two APIs and three workers, with these settings of the workers.
func newChaos(ctx context.Context, t *testing.T, seed uint64, env ...string) *chaos {
	t.Helper()
	// Not the generator of any client.
	c := &chaos{r: rand.New(rand.NewPCG(seed, 1<<32)), pgDir: pgtest.TempDir(t)}
	c.system = &system{t: t, ctx: ctx, bin: programs(t), http: &http.Client{Timeout: clientTimeout}}
	c.nats, c.keys = startNATSServer(t)
	c.queue = c.nats.URL()
	c.startPostgres()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.pg.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	c.database = c.pg.URL()
	pgtest.GiveRoles(t, c.database)
	c.system.workers = pgtest.As(t, pgtest.Worker, c.database)
	c.migrate(c.bin)
	for range 3 {
		c.workers = append(c.workers, c.newWorker(env...))
	}
	var bases [2]string
	for i := range c.apis {
		c.apis[i], bases[i] = c.newAPI()
	}
	c.load = startChaosLoad(seed, bases)
	t.Cleanup(func() {
		select {
		case <-c.load.stop:
		default:
			c.load.finish()
		}
	})
	return c
}

func (c *chaos) newAPI() (*program, string) { return c.api(c.bin, "REQUEST_TIMEOUT=5s") }

func (c *chaos) startPostgres() {
	c.t.Helper()
	var err error
	c.pg, err = localpg.Start(c.ctx, localpg.Options{Dir: c.pgDir, Throwaway: true})
	c.do(err)
}

// settle waits until n more calls have had an answer.
func (c *chaos) settle(n int) {
	c.t.Helper()
	enough := c.load.answered() + n
	c.do(waitFor(c.ctx, "answers", func(context.Context) error {
		if err := c.load.failed.Load(); err != nil {
			c.t.Fatal(*err)
		}
		if got := c.load.answered(); got < enough {
			return fmt.Errorf("%d of %d", got, enough)
		}
		return nil
	}))
}

// pause lets a fault last for a while that the seed decides: half a second to three.
func (c *chaos) pause() { time.Sleep(time.Duration(500+c.r.IntN(2500)) * time.Millisecond) }

// mortal returns the index of one of n programs that may be ended.
func (c *chaos) mortal(n int) int { return c.kept + c.r.IntN(n-c.kept) }

// fault is one row of the table in docs/reliability.md. do heals what it has broken.
type fault struct {
	name string
	do   func(*chaos)
}

var faults = []fault{
	{"worker SIGKILL", func(c *chaos) {
		victim := c.mortal(len(c.workers))
		c.workers[victim].kill()
		c.workers[victim] = c.newWorker()
	}},
	{"worker SIGTERM", func(c *chaos) {
		victim := c.mortal(len(c.workers))
		c.do(c.workers[victim].terminate(c.ctx))
		c.workers[victim] = c.newWorker()
	}},
	{"worker SIGSTOP, SIGCONT", func(c *chaos) {
		victim := c.workers[c.r.IntN(len(c.workers))]
		c.do(victim.signal(syscall.SIGSTOP))
		c.pause()
		c.do(victim.signal(syscall.SIGCONT))
	}},
	{"no worker", func(c *chaos) {
		for _, w := range c.workers[c.kept:] {
			w.kill()
		}
		c.pause()
		for i := range c.workers[c.kept:] {
			c.workers[c.kept+i] = c.newWorker()
		}
	}},
	{"replies lost", func(c *chaos) {
		victim := c.mortal(len(c.workers))
		c.workers[victim].kill()
		c.workers[victim] = c.newWorker("OUTSET_FAILPOINTS=worker/reply-lost=20%")
		c.pause()
		c.workers[victim].kill()
		c.workers[victim] = c.newWorker()
	}},
	{"API SIGKILL", func(c *chaos) {
		victim := c.mortal(len(c.apis))
		c.apis[victim].kill()
		c.replaceAPI(victim)
	}},
	{"API SIGTERM", func(c *chaos) {
		victim := c.mortal(len(c.apis))
		c.do(c.apis[victim].terminate(c.ctx))
		c.replaceAPI(victim)
	}},
	{"API SIGSTOP, SIGCONT", func(c *chaos) {
		victim := c.apis[c.r.IntN(len(c.apis))]
		c.do(victim.signal(syscall.SIGSTOP))
		c.pause()
		c.do(victim.signal(syscall.SIGCONT))
	}},
	{"NATS restart", func(c *chaos) {
		c.nats.Stop()
		c.pause()
		c.do(c.nats.StartAgain())
	}},
	{"Postgres restart (immediate)", func(c *chaos) {
		c.do(syscall.Kill(c.pg.PID(), syscall.SIGQUIT))
		<-c.pg.Done()
		_ = c.pg.Stop(c.ctx) // which says that it ended by itself
		c.pause()
		c.startPostgres()
	}},
	{"connections to Postgres cut", func(c *chaos) {
		c.exec(`select pg_terminate_backend(pid) from pg_stat_activity
			where backend_type = 'client backend' and pid <> pg_backend_pid()`)
	}},
	{"a held row lock", func(c *chaos) {
		c.exec(fmt.Sprintf(`
			begin;
			select from settings where user_id = 'user%d' for update;
			select pg_sleep(%d);
			commit`, c.r.IntN(chaosUsers), 1+c.r.IntN(3)))
	}},
}

// exec runs statements as one simple query.
func (c *chaos) exec(sql string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.ctx, c.database)
	c.do(err)
	defer func() { _ = conn.Close(c.ctx) }()
	_, err = conn.PgConn().Exec(c.ctx, sql).ReadAll()
	c.do(err)
}

func (c *chaos) replaceAPI(i int) {
	c.t.Helper()
	var base string
	c.apis[i], base = c.newAPI()
	c.load.bases[i].Store(base)
}

// harm does harm to every part in turn for that long, and calls after when each was healed. It
// returns how often it did what.
func (c *chaos) harm(harm time.Duration, after func()) map[string]int {
	c.t.Helper()
	done := make(map[string]int)
	var order []fault
	for end := time.Now().Add(harm); time.Now().Before(end); {
		if len(order) == 0 { // all of them before any comes again
			for _, i := range c.r.Perm(len(faults)) {
				order = append(order, faults[i])
			}
		}
		order[0].do(c)
		done[order[0].name]++
		order = order[1:]
		c.settle(50)
		after()
	}
	return done
}

// TestChaos does harm to every part in turn, as a seed decides, while clients write. What they were
// told must be linearizable for each user, and agree with the log.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed, harm := *chaosSeed, *chaosTime
	if seed == 0 {
		seed = rand.Uint64()
	}
	if harm == 0 {
		harm = time.Duration(short(15, 60)) * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), harm+testTimeout)
	defer cancel()
	t.Logf("again with: make chaos SEED=%d", seed)
	c := newChaos(ctx, t, seed)
	c.settle(300)
	done := c.harm(harm, func() {})
	c.load.finish()
	log, err := chaosLog(ctx, c.database)
	c.do(err)
	if err := c.load.judge(log); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	n := 0
	var table strings.Builder
	for _, f := range faults {
		n += done[f.name]
		_, _ = fmt.Fprintf(&table, "\n  %3d %s", done[f.name], f.name)
	}
	t.Logf("seed %d: %d operations, %d rows in the log, %d faults, %d unknown, %d writes turned "+
		"away, at most %d ms without a success%s", seed, c.load.answered(), len(log), n,
		c.load.unknown, c.load.turnedAway, c.load.longest.Milliseconds(), table.String())
}

// TestChaosFindsPlantedBugs: the oracles find each of three bugs that are as bad as can be.
func TestChaosFindsPlantedBugs(t *testing.T) {
	t.Parallel()
	const repeated = ",worker/reply-lost=20%"
	for name, bug := range map[string]struct{ points, finds string }{
		"answer before commit": {"store/commit-lost=5%", "was acknowledged as version"},
		"lost operation id":    {"worker/key-lost=100%" + repeated, "is applied twice"},
		"retry with a new id":  {"worker/id-anew=100%" + repeated, "is applied twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			c := newChaos(ctx, t, 1, "OUTSET_FAILPOINTS="+bug.points)
			c.settle(500)
			c.load.finish()
			log, err := chaosLog(ctx, c.database)
			c.do(err)
			if err := c.load.judge(log); err == nil || !strings.Contains(err.Error(), bug.finds) {
				t.Errorf("%q was not found: %v", bug.finds, err)
			}
		})
	}
}
