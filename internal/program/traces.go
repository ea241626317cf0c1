package program

import (
	"context"
	"log/slog"

	"github.com/outset-settings/outset/internal/tracing"
	"github.com/outset-settings/outset/internal/tracing/export"
)

// Traces returns what makes the spans of the service, see [export.Start]; nil: the environment asks
// for none. The function that it returns is to be called when the program stops.
func Traces(ctx context.Context, service string, log *slog.Logger,
) (t *tracing.Tracer, stop func(), err error) {
	if t, stop, err = export.Start(ctx, service, Version(), log); err != nil {
		err = Usage(err)
	}
	return t, stop, err
}
