package deploy_test

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outset-settings/outset/deploy"
	"github.com/outset-settings/outset/pkg/messages"
)

// connect returns a plain connection with a role's credentials, as a thief of them has.
func connect(t *testing.T, q queue, role string) *nats.Conn {
	t.Helper()
	nc, err := tryConnect(t, q, role)
	if err != nil {
		t.Fatalf("%s: %v", role, err)
	}
	return nc
}

func tryConnect(t *testing.T, q queue, role string) (*nats.Conn, error) {
	t.Helper()
	options, err := q.as(role).Options()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(q.url, append(options, nats.NoReconnect(), nats.Timeout(patience),
		nats.PermissionErrOnSubscribe(true),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

// refused tells whether the server refused what was sent last on a new connection.
func refused(t *testing.T, nc *nats.Conn) bool {
	t.Helper()
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError()
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		t.Fatal(err)
	}
	return err != nil
}

// What the roles may do; all else is refused.
var (
	mayPublish = map[string][]string{
		"api": {
			messages.ReadSubject, messages.WriteSubject,
			messages.WorkerSubject(messages.ReadSubject, "W"),
			messages.WorkerSubject(messages.WriteSubject, "W"),
			"$SRV.PING.outset", "$SRV.STATS.outset",
		},
		"worker":   {messages.ChangedSubject("42")},
		"operator": discovery,
	}
	maySubscribe = map[string][]string{
		"api":      {"_INBOX.api.X.1", "_INBOX.api.>", messages.ChangedSubject("42"), "settings.v1.changed.*"},
		"worker":   discovery,
		"operator": {"_INBOX.operator.X.1", "_INBOX.operator.>"},
	}
	mayQueue = map[string][]string{ // also in the queue group of the workers
		"worker": {
			messages.ReadSubject, messages.WriteSubject,
			messages.WorkerSubject(messages.ReadSubject, "W"), "settings.v1.read.*",
			messages.WorkerSubject(messages.WriteSubject, "W"), "settings.v1.write.*",
		},
	}
	discovery = []string{
		"$SRV.PING", "$SRV.PING.outset", "$SRV.PING.outset.W",
		"$SRV.INFO", "$SRV.INFO.outset", "$SRV.INFO.outset.W",
		"$SRV.STATS", "$SRV.STATS.outset", "$SRV.STATS.outset.W",
	}
)

// TestRoles tries every role on every subject of ours and on some of others.
func TestRoles(t *testing.T) {
	q := serve(t)
	subjects := slices.Concat(mayPublish["api"], mayPublish["worker"], discovery, []string{
		"_INBOX.api.X.1", "_INBOX.worker.X.1", "_INBOX.operator.X.1", "_INBOX.X", "_INBOX",
		"settings.v1", "settings.v2.read", "settings.v1.read.W.more", "other",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$SRV.PING.other", "$JS.API.INFO",
	})
	wildcards := []string{
		">", "*", "*.*.*", "settings.>", "settings.v1.*", "settings.v1.>", "_INBOX.>", "_INBOX.*",
		"_INBOX.*.X.1", "_INBOX.api.>", "_INBOX.operator.>", "settings.v1.changed.*",
		"settings.v1.read.*", "settings.v1.write.*", "$SRV.>", "$SYS.>",
	}
	for _, role := range []string{"api", "worker", "operator"} {
		for _, subject := range subjects {
			nc := connect(t, q, role)
			if err := nc.Publish(subject, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if may := slices.Contains(mayPublish[role], subject); refused(t, nc) == may {
				t.Errorf("%s publishes to %s: allowed %v, want %v", role, subject, !may, may)
			}
			nc.Close()
		}
		nc := connect(t, q, role)
		for _, subject := range slices.Concat(subjects, wildcards) {
			alone := slices.Contains(maySubscribe[role], subject)
			for group, may := range map[string]bool{
				"":                  alone,
				"spies":             alone,
				messages.QueueGroup: alone || slices.Contains(mayQueue[role], subject),
			} {
				if subscribes(t, nc, subject, group) != may {
					t.Errorf("%s subscribes to %s in group %q: allowed %v, want %v", role, subject,
						group, !may, may)
				}
			}
		}
	}
}

// subscribes tells whether the server allows a subscription.
func subscribes(t *testing.T, nc *nats.Conn, subject, group string) bool {
	t.Helper()
	var sub *nats.Subscription
	var err error
	if group == "" {
		sub, err = nc.SubscribeSync(subject)
	} else {
		sub, err = nc.QueueSubscribeSync(subject, group)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	_, err = sub.NextMsg(time.Nanosecond)
	_ = sub.Unsubscribe()
	return !errors.Is(err, nats.ErrPermissionViolation)
}

// maxReplies is what the roles allow for a request: a reply to each operation, and signs that the
// worker is at it.
const maxReplies = 2 * messages.MaxOperations

// TestWorkerAnswersWhatItWasSent: a worker may reply to what it was sent, so many times, and to
// nobody else.
func TestWorkerAnswersWhatItWasSent(t *testing.T) {
	q := serve(t)
	worker, api := connect(t, q, "worker"), connect(t, q, "api")
	requests, err := worker.QueueSubscribeSync(messages.ReadSubject, messages.QueueGroup)
	if err != nil {
		t.Fatal(err)
	}
	replies, err := api.SubscribeSync("_INBOX.api.>")
	if err != nil {
		t.Fatal(err)
	}
	if refused(t, worker) || refused(t, api) {
		t.Fatal("could not subscribe")
	}
	if err := api.PublishRequest(messages.ReadSubject, "_INBOX.api.X.1", nil); err != nil {
		t.Fatal(err)
	}
	request, err := requests.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	for range maxReplies {
		if err := request.Respond([]byte("reply")); err != nil {
			t.Fatal(err)
		}
	}
	if refused(t, worker) {
		t.Fatal("a reply is refused")
	}
	for range maxReplies {
		if m, err := replies.NextMsg(patience); err != nil || string(m.Data) != "reply" {
			t.Fatalf("got %+v, %v", m, err)
		}
	}
	if err := request.Respond([]byte("another")); err != nil || !refused(t, worker) {
		t.Errorf("one reply more was allowed: %v", err)
	}
	if m, err := replies.NextMsg(1); err == nil {
		t.Errorf("it arrived: %+v", m)
	}
}

// TestRemembered: the server remembers requests long enough for all their replies, and no longer.
func TestRemembered(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`allow_responses \{ max: (\d+), expires: "(\w+)" \}`).
		FindStringSubmatch(deploy.NATSRoles)
	if found == nil {
		t.Fatal("workers may not reply")
	}
	most, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	expires, err := time.ParseDuration(found[2])
	if err != nil {
		t.Fatal(err)
	}
	if expires < 30*time.Second || expires > 35*time.Second { // REQUEST_TIMEOUT at most
		t.Errorf("requests are remembered for %v", expires)
	}
	if replies := messages.MaxOperations + int(expires/messages.WorkingEvery); most < replies {
		t.Errorf("there may be %d replies, and %d are needed", most, replies)
	}
}
