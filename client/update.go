package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// updates bounds how often Update begins again. Each time somebody else has succeeded.
const updates = 100

// Update changes the user's document by a function of what it is, {} where there is none, and
// returns what came of it. If somebody else changes it meanwhile the function is called again, with
// what there is then; so it should do nothing but compute. If it returns nil, nothing is written;
// if it returns an error, that is Update's.
func (c *Client) Update(
	ctx context.Context, user string, change func(old json.RawMessage) (json.RawMessage, error),
) (Settings, error) {
	current, err := c.Get(ctx, user)
	for n := 1; err == nil; n++ {
		document, failed := change(current.Document)
		if failed != nil || document == nil {
			return current, failed
		}
		updated, failed := c.Put(ctx, user, document, IfMatch(current.ETag))
		if !errors.Is(failed, ErrPrecondition) {
			return updated, failed
		}
		if n == updates {
			return Settings{}, caused(ErrPrecondition,
				fmt.Sprintf(": others were faster %d times", n), failed)
		}
		// those who met are parted by chance
		if err = sleep(ctx, c.retry.pause(1, 0)/10); err == nil {
			current, err = c.Get(ctx, user)
		}
	}
	return Settings{}, err
}
