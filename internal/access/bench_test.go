package access_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/outset-settings/outset/internal/access"
)

// BenchmarkAuthenticate is what a token costs: one that was seen before, one that is new, and those
// that are refused. Each iteration of the latter has a token of its own, so none is remembered.
func BenchmarkAuthenticate(b *testing.B) {
	rs, es := newRS256("rs"), newES256(b, "es")
	p := newProvider(b, jwks(b, rs, es))
	text, token := staticToken("one", access.Admin)
	var s store
	s.set(nil, token)
	a := run(b, access.Config{JWT: usualJWT(p.URL), Static: s.list})
	for a.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	// as large as those of Keycloak
	claims := usual(jwt.MapClaims{"roles": strings.Repeat("role ", 100)})
	expired := usual(jwt.MapClaims{"roles": claims["roles"], "exp": time.Now().Add(-time.Hour).Unix()})

	known := rs.sign(b, claims, nil)
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Authenticate(b.Context(), known); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("static", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Authenticate(b.Context(), text); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, signer := range map[string]*signer{"new-RS256": rs, "new-ES256": es} {
		b.Run(name, func(b *testing.B) {
			tokens := make([][]byte, 512)
			for i := range tokens {
				tokens[i] = signer.sign(b, usual(jwt.MapClaims{"roles": claims["roles"], "n": i, "b": b.N}), nil)
			}
			fresh := run(b, access.Config{JWT: usualJWT(p.URL)})
			for i := 0; b.Loop(); i++ {
				if i%len(tokens) == 0 {
					b.StopTimer()
					fresh = run(b, access.Config{JWT: usualJWT(p.URL)})
					for fresh.Ready() != nil {
						time.Sleep(time.Millisecond)
					}
					b.StartTimer()
				}
				if _, err := fresh.Authenticate(b.Context(), tokens[i%len(tokens)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for name, bad := range map[string][]byte{
		"refused-signature-RS256": known, "refused-signature-ES256": es.sign(b, claims, nil),
		"refused-expired": rs.sign(b, expired, nil), "refused-garbage": []byte(strings.Repeat("garbage", 100)),
		"refused-largest": rs.sign(b, usual(jwt.MapClaims{"x": many()}), nil),
	} {
		b.Run(name, func(b *testing.B) {
			bad := bytes.Clone(bad)
			end := bad[len(bad)-40:]
			for i := 0; b.Loop(); i++ {
				copy(end, fmt.Sprintf("%016x", i))
				if _, err := a.Authenticate(b.Context(), bad); err == nil {
					b.Fatal("it counts")
				}
			}
		})
	}
	b.Run("refused-again", func(b *testing.B) {
		bad := append(bytes.Clone(known[:len(known)-8]), "AAAAAAAA"...)
		for b.Loop() {
			if _, err := a.Authenticate(b.Context(), bad); err == nil {
				b.Fatal("it counts")
			}
		}
	})
}

// many are claims that cost much to read for their size.
func many() map[string]int {
	all := make(map[string]int)
	for i := range 500 {
		all[fmt.Sprint(i)] = i
	}
	return all
}
