package worker_test

import (
	"testing"

	"github.com/outset-settings/outset/pkg/messages"
	"github.com/outset-settings/outset/pkg/store"
)

// TestContract: the store doesn't import the contract, and has the same bounds all the same.
func TestContract(t *testing.T) {
	t.Parallel()
	if store.MaxTokens != messages.MaxServiceTokens {
		t.Errorf("%d tokens may be valid, and in the contract %d", store.MaxTokens,
			messages.MaxServiceTokens)
	}
	if store.MaxListedTokens != messages.MaxListedTokens {
		t.Errorf("%d tokens are listed, and in the contract %d", store.MaxListedTokens,
			messages.MaxListedTokens)
	}
}
