package e2e

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestWrongClock: everything works where the database's clock is wrong, or all others are. The
// database has a function for it that comes before Postgres's own.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]string{"behind": "-5 minutes", "ahead": "5 minutes"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			s := newSystem(ctx, t)
			c, err := pgx.Connect(ctx, s.database)
			s.do(err)
			_, err = c.Exec(ctx, `
				create schema wrong;
				create function wrong.clock_timestamp() returns timestamptz language sql as
					$$ select pg_catalog.clock_timestamp() + interval '`+wrong+`' $$;
				grant usage on schema wrong to public`)
			s.do(err)
			s.do(c.Close(ctx))
			workers, err := url.Parse(s.workers)
			s.do(err)
			query := workers.Query()
			query.Set("search_path", "public,wrong,pg_catalog")
			workers.RawQuery = query.Encode()
			s.workers = workers.String()
			s.newWorker()
			s.newWorker()
			base := s.newAPI()
			for version := int64(1); version <= 20; version++ {
				for _, c := range []call{
					{http.MethodPut, settingsOf("ann"), `{}`, []string{
						isJSON, "Idempotency-Key: " + keyOf(int(version)),
					}},
					{http.MethodPatch, settingsOf("bob"), `{"a":1}`, []string{isMerge}},
					{http.MethodGet, settingsOf("ann"), "", nil},
				} {
					_, err := s.want(base, c, http.StatusOK, version)
					s.do(err)
				}
			}
			_, err = s.want(base, call{method: http.MethodGet, path: "/users?limit=10"},
				http.StatusOK, -1)
			s.do(err)
		})
	}
}
