// Command make-secrets makes the secrets of compose.yaml that are missing, in the folder that it is
// given. `make secrets` runs it.
package main

import (
	"fmt"
	"os"

	"github.com/outset-settings/outset/internal/secrets"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: make-secrets FOLDER")
		os.Exit(2)
	}
	made, err := secrets.Make(os.Args[1])
	for _, name := range made {
		fmt.Println("made", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make-secrets:", err)
		os.Exit(1)
	}
}
