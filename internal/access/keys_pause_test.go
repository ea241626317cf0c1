package access_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
	"github.com/outset-settings/outset/internal/testlog"
)

// TestStranger: somebody who sends tokens with made-up keys all the time has the keys read about
// once a minute, each of them is answered in seconds, and a new key counts within that minute.
func TestStranger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, third := newES256(t, "1"), newES256(t, "2"), newES256(t, "3")
		file := filepath.Join(t.TempDir(), "jwks.json")
		publish := func(signers ...*signer) {
			err := os.WriteFile(file+".new", jwks(t, append(signers, newES256(t, "1"))...), 0o600)
			if err == nil {
				err = os.Rename(file+".new", file) // nobody reads half of it
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		publish(first) // and another with the same id, which isn't used
		log := &testlog.Buffer{}
		a, err := access.New(access.Config{JWT: usualJWT(file), Log: log.Logger()})
		if err != nil {
			t.Fatal(err)
		}
		var readings atomic.Int64
		a.CountReadings(&readings)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go a.Run(ctx)

		n := 0
		stranger := func() { // takes a second or more
			n++
			token := first.sign(t, usual(nil), map[string]any{"kid": fmt.Sprint("made up ", n)})
			began := time.Now()
			if _, err := a.Authenticate(t.Context(), token); err == nil {
				t.Error("a made-up key counts")
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the answer took %v", took)
			}
			time.Sleep(time.Second)
		}
		counts := func(s *signer) bool {
			n++
			token := s.sign(t, usual(jwt.MapClaims{"jti": fmt.Sprint(n)}), nil)
			_, err := a.Authenticate(t.Context(), token)
			if err != nil && !errors.Is(err, access.ErrUnavailable) {
				t.Fatal(err)
			}
			return err == nil
		}
		for began := time.Now(); time.Since(began) < time.Hour; {
			stranger()
		}
		if n := readings.Load(); n < 12 || n > 90 {
			t.Errorf("the keys were read %d times in an hour", n)
		}
		if n := strings.Count(log.String(), "are not used"); n != 1 {
			t.Errorf("the log tells %d times of a key that isn't used", n)
		}

		publish(first, second)
		for began := time.Now(); !counts(second); stranger() {
			if time.Since(began) > 2*time.Minute {
				t.Fatal("a new key doesn't count")
			}
		}
		publish(first, second, third)
		if !counts(third) {
			t.Error("one soon after it doesn't count at once")
		}
		for range 1000 {
			stranger()
		}
		time.Sleep(10 * time.Minute) // nobody misses anything
		publish(first, second)
		time.Sleep(10 * time.Minute)
		publish(first, second, third)
		if !counts(third) {
			t.Error("a new key doesn't count at once after it was quiet")
		}
	})
}
