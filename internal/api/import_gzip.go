package api

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/klauspost/compress/gzip"

	"github.com/outset-settings/outset/pkg/messages"
)

// How much a compressed import may be once it is decompressed: a megabyte can become a gigabyte.
const (
	// maxInflation is the ratio that is refused. Exports of users with short documents have 10 to
	// 30, those of documents that are all the same up to 100.
	maxInflation = 100
	// freeInflation is how many bytes are exempt, so that a small import may have any ratio.
	freeInflation = 64 << 20
	// maxQuiet is how many decompressed bytes beyond one line may have no outcome, such as blank
	// lines or a line that doesn't end.
	maxQuiet = 1 << 20
)

// inflater decompresses the body of an import.
type inflater struct {
	from    io.Reader
	zip     *gzip.Reader
	in, out int64 // bytes
}

// Read returns a problem for what is not gzip, or too much.
func (i *inflater) Read(p []byte) (n int, err error) {
	if i.zip == nil {
		i.zip, err = gzip.NewReader(counter{i.from, &i.in})
	}
	if err == nil {
		n, err = i.zip.Read(p)
	} else if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // not even a header
	}
	if i.out += int64(n); i.out > freeInflation+maxInflation*i.in {
		return n, problem{
			kind: messages.KindTooLarge,
			detail: fmt.Sprintf("the body becomes more than %d times as large; send it uncompressed",
				maxInflation),
		}
	}
	return n, notGzip(err)
}

// notGzip makes a problem of the errors that tell of something else than gzip.
func notGzip(err error) error {
	var network net.Error
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || timedOut(err) {
		return err
	}
	return problem{kind: messages.KindMalformed, detail: "the body is not gzip (RFC 1952)"}
}

// counter counts what is read.
type counter struct {
	io.Reader
	n *int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}
